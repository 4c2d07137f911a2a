"""Escapes from the place where answers run: each is harmless, and its answer reports that it worked.

`BEFORE` goes into the answer cell; a probe is the body of a function in which `victim` is a file of the teacher's and
`folder` its folder. A refused probe raises or never answers.
"""

BEFORE = """
import ctypes, mmap, os, platform, resource, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
def call(number, *arguments):
    whole = [ctypes.c_long(x) if isinstance(x, int) else x for x in arguments]  # a C int fills half a place
    found = libc.syscall(number[ARM] if isinstance(number, tuple) else number, *whole)
    if found < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return found
def int80(number, *arguments):
    # push rbx; mov eax, edi; mov ebx, esi; mov r8d, ecx; mov ecx, edx; mov edx, r8d; int 0x80; pop rbx; ret
    code = bytes.fromhex("53 89f8 89f3 4189c8 89d1 4489c2 cd80 5b c3")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page))
    found = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 4)(start)(number, *arguments)
    if found < 0:
        raise OSError(-found, "refused")
    return found
victim, folder = {victim!r}, {folder!r}
"""
X86_ONLY = {
    "int80_getpid": "return int80(20, 0, 0, 0)",
    "int80_socket": "return int80(359, socket.AF_INET, socket.SOCK_STREAM, 0)",
    "int80_unix_socket": "return int80(359, socket.AF_UNIX, socket.SOCK_STREAM, 0)",
    "int80_fork": "child = int80(2, 0, 0, 0)\nif child == 0:\n    os._exit(0)\nreturn child",
    "x32_getpid": "return call(0x40000000 + 39)",
}
ONLY_WHERE_ALLOWED = {
    "x32_getpid": "a kernel with x32",
    "io_uring": "a kernel that lets it",
    "userfaultfd": "a kernel that lets it",
    "unshare_user": "a kernel that lets it",
    "keyring": "a kernel with keyrings",
    "mq": "a kernel with message queues",
    "shm_file": "a system with /dev/shm",
    "setxattr": "a file system with attributes",
    "int80_getpid": "a kernel with 32-bit calls",
    "int80_socket": "a kernel with 32-bit calls",
    "int80_unix_socket": "a kernel with 32-bit calls",
    "int80_fork": "a kernel with 32-bit calls",
    "perf": "a kernel that lets it",
}
"""Probes that need not work without a fence, and their requirements."""
PROBES = {
    # --- the network, other processes
    "socket": "return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno()",
    "unix_socket": "return socket.socket(socket.AF_UNIX).fileno()",
    "netlink": "return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).fileno()",
    "socketpair": "return socket.socketpair()[0].fileno()",
    "io_uring": "return call(425, 4, ctypes.create_string_buffer(120))",
    "fork": "child = os.fork()\nif child == 0:\n    os._exit(0)\nreturn child",
    "clone3": "like = (0).to_bytes(32, 'little') + (17).to_bytes(32, 'little')\nchild = call(435, like, 64)\n"
    "if child == 0:\n    os._exit(0)\nreturn child",
    "program": "import subprocess\nreturn subprocess.run(['true']).returncode + 1",
    "thread": "import threading\nthreading.Thread(target=int).start()\nreturn 1",
    "kill": "os.kill(os.getppid(), 0)\nreturn 1",
    "pidfd": "return call(434, os.getppid(), 0)",
    "signal_by_file": "import fcntl\nfcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())\nreturn 1",
    "limits_of_parent": "limits = resource.prlimit(os.getppid(), resource.RLIMIT_CORE)\n"
    "resource.prlimit(os.getppid(), resource.RLIMIT_CORE, limits)\nreturn 1",
    "limits": "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nreturn 1",
    "trace": "return call((101, 117), 0, 0, 0, 0) + 1",
    "affinity": "os.sched_setaffinity(0, os.sched_getaffinity(0))\nreturn 1",
    "nice": "return os.nice(1) + 100",
    "alarm": "import signal\nsignal.alarm(100)\nreturn 1",
    # --- the kernel's other memory and names
    "shm_sysv": "found = call((29, 194), 0, 4096, 0o600)\nlibc.shmctl(found, 0, None)\nreturn found + 1",
    "semaphores": "found = call((64, 190), 0, 1, 0o600)\nlibc.semctl(found, 0, 0)\nreturn found + 1",
    "messages": "found = call((68, 186), 0, 0o600)\nlibc.msgctl(found, 0, None)\nreturn found + 1",
    "mq": "return call((240, 180), b'omg-probe', os.O_CREAT | os.O_RDWR, 0o600, None) + call((241, 181), b'omg-probe')",
    "keyring": "return call((248, 217), b'user', b'omg-probe', b'x', 1, -2)",
    "memory_file": "return os.memfd_create('omg-probe')",
    "pipe": "return os.pipe()[0]",
    "userfaultfd": "return call((323, 282), 1)",
    "perf": "return call((298, 241), ctypes.create_string_buffer(b'\\x01', 128), 0, -1, -1, 0) + 1",
    "unshare_user": "return call((272, 97), 0x10000000) + 1",
    "change_folder": "os.chdir('/')\nreturn 1",
    "umask": "return os.umask(0o022) + 1",
    # --- the teacher's files
    "read": "return open(victim).read()",
    "torch_read": "import torch\nreturn torch.from_file(victim, size=3, dtype=torch.uint8).long()",
    "openat2": "return call(437, -100, victim.encode(), bytes(24), 24)",
    "list": "return os.listdir(folder)",
    "list_root": "return os.listdir('/')",
    "processes": "return os.listdir('/proc')",
    "own_environment": "return open('/proc/self/environ').read() + 'seen'",
    "parent": "return os.listdir(f'/proc/{os.getppid()}/cwd')",
    "password_file": "return open('/etc/passwd').read()",
    "parents_memory": "return call((310, 270), os.getppid(), None, 0, None, 0, 0) + 1",
    "program_of_parent": "return os.readlink(f'/proc/{os.getppid()}/exe')",
    "locked_file": "import fcntl\nfcntl.flock(0, fcntl.LOCK_SH)\nreturn 1",
    "timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 100)\nreturn 1",
    "watch": "return call((291, 20), 0)",
    "append": "open(victim, 'a').close()\nreturn 1",
    "truncate_by_reading": "return os.open(victim, os.O_RDONLY | os.O_TRUNC)",
    "truncate": "os.truncate(victim, 0)\nreturn 1",
    "create": "open(folder + '/new', 'w').close()\nreturn 1",
    "chmod": "os.chmod(victim, 0)\nreturn 1",
    "chown": "os.chown(victim, -1, -1)\nreturn 1",
    "utime": "os.utime(victim, (0, 0))\nreturn 1",
    "setxattr": "os.setxattr(victim, 'user.omg', b'x')\nreturn 1",
    "link": "os.link(victim, folder + '/linked')\nreturn 1",
    "symlink": "os.symlink(victim, folder + '/symbolic')\nreturn 1",
    "fifo": "os.mkfifo(folder + '/fifo')\nreturn 1",
    "rename": "os.rename(victim, victim)\nreturn 1",
    "mkdir": "os.mkdir(folder + '/made')\nreturn 1",
    "shm_file": "open('/dev/shm/omg-probe', 'w').close()\nos.remove('/dev/shm/omg-probe')\nreturn 1",
    "library_write": "open(os.__file__, 'r+').close()\nreturn 1",
    # --- filling the disk
    "nested_folders": "for _ in range(300):\n    os.mkdir('d')\n    os.chdir('d')\nreturn 1",
    "remove": "open('note', 'w').close()\nos.remove('note')\nreturn 1",
}
FILLING = """
done = 0
try:
    for k in range(60):
        with open(f"part{k}", "wb", buffering=0) as file:
            for _ in range(8):
                done += file.write(bytes(1 << 20))
except OSError:
    pass
return done
"""
"""60 files of 8 MB: answers the number of bytes written."""
MANY_FILES = """
done = 0
try:
    for k in range(3000):
        open(f"part{k}", "w").close()
        done += 1
except OSError:
    pass
return done
"""
