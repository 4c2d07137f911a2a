"""A JupyterHub for OMG Lab on one machine: `jupyterhub -f deploy/hub/jupyterhub_config.py`.

| variable | meaning | default |
|---|---|---|
| OMG_HUB_FOLDER | the hub's state and the students' homes | `runs/hub` |
| OMG_HUB_COURSE | the students' copy: notebooks and data, no teacher's files | `build/student-copy` |
| OMG_HUB_PYTHON | the Python with the course | the one that runs the hub |
| OMG_HUB_CPUS, OMG_HUB_MEMORY | limit of each process of a student: cores, bytes | 1, 2 GiB |
| OMG_HUB_PASSWORD | one password for everybody, only to try it out | none: no one can log in |
| OMG_HUB_TOKEN | a token with all permissions, for `measure.py` | none |
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE))
from layout import refusal  # noqa: E402 -- beside this file, which is not a package
from students import NAME, StudentSpawner  # noqa: E402

course = Path(os.environ.get("OMG_HUB_COURSE", HERE.parents[1] / "build" / "student-copy")).absolute()
if why := refusal(course, apart=os.getuid() == 0):
    print(why, file=sys.stderr)
    sys.exit(2)

# Students pass through the folder to their homes; everything else in it, database and cookies, is for the hub only.
folder = Path(os.environ.get("OMG_HUB_FOLDER", "runs/hub")).absolute()
homes = folder / "homes"
homes.mkdir(parents=True, exist_ok=True)
for place in (folder, homes):
    place.chmod(0o711)
os.umask(0o077)
for path in folder.iterdir():
    if path.is_file():
        path.chmod(0o600)
python = os.environ.get("OMG_HUB_PYTHON", sys.executable)

c = get_config()  # noqa: F821 -- traitlets provides it
c.JupyterHub.bind_url = os.environ.get("OMG_HUB_URL", "http://127.0.0.1:8000")
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")

# Who may log in. For a class, use your institution's authenticator (OAuthenticator, LDAP, LTI).
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ.get("OMG_HUB_PASSWORD") or os.urandom(16).hex()
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = rf"{NAME}\Z"

# What a student gets: the course's notebooks in their own home, its recorded data read-only beside them.
c.JupyterHub.spawner_class = StudentSpawner
c.StudentSpawner.homes = str(homes)
c.StudentSpawner.course = str(course)
c.Spawner.cmd = [python, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.environment = {"OMP_NUM_THREADS": "1"}
c.Spawner.env_keep = [*("PATH", "PYTHONPATH", "LANG", "SC2PATH", "CUDA_VISIBLE_DEVICES")]
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
c.Spawner.cpu_limit = float(os.environ.get("OMG_HUB_CPUS", 1))
c.Spawner.mem_limit = int(os.environ.get("OMG_HUB_MEMORY", 2 * 2**30))

# Stop what is idle: kernels after half an hour, servers after an hour.
c.Spawner.args = ["--MappingKernelManager.cull_idle_timeout=1800", "--allow-root"]
c.JupyterHub.services = [
    {"name": "idle-culler", "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]}
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
if "OMG_HUB_TOKEN" in os.environ:
    c.JupyterHub.services.append({"name": "measure", "api_token": os.environ["OMG_HUB_TOKEN"]})
    c.JupyterHub.load_roles.append(
        {"name": "measure", "scopes": ["admin:users", "admin:servers", "access:servers"], "services": ["measure"]}
    )
