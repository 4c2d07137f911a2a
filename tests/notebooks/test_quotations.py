"""The notebooks quote lines of the student's note, and notebook 1 quotes all of its own."""

import re

import pytest

from tests.helpers.running import NAMES, read

NOTE = r"""
- [?] 在 OMG 代码中，`runner.run()` 和 `learner.train()`  的 `batch_size` 是不一样的：
前者为 `batch_size`
## run_sequential（）中的初始化batch_size 32\*8 = ==256==
if args.learner in ["q_learner_4am", "omg_learner"]:#, "omg_learner"]:
args.t_max *= args.n_agents
args.batch_size *= args.n_agents
## runner 里面的 init 为 batch_size_rnn = ==1== (并行数量)
self.batch_size = self.args.batch_size_run
assert self.batch_size == 1
## learner.train() 为 32\*8/8 =32
batch_size = batch.batch_size // self.args.n_agents
batch = self._refine_batch(batch)
## buffer 创建为 32\*8 = 256
buffer = ReplayBuffer(scheme, groups, args.buffer_size, env_info["episode_limit"] + 1,
# run_sequential 流程中的变化 while runner.t_env <= args.t_max:
## run.py 8 次 batch_runs( `runner.run()` ) ,  buffer 中 insert 8 次
batch_runs = args.n_agents
episode_batch = runner.run(test_mode=False)
episode_batch.update({"agent_idx": [args.agent_shift]}, ts = 0)
buffer.insert_episode_batch(episode_batch)
## can_sample() 时 ，即 > 256
if buffer.can_sample(args.batch_size):
episode_sample = buffer.sample(args.batch_size)
max_ep_t = episode_sample.max_t_filled()
episode_sample = episode_sample[:, :max_ep_t]
episode_sample.to(args.device)
learner.train(episode_sample, runner.t_env, episode)
### learner.train() 为 32\*8/8 =32
#### omg_loss_func() 传入32 大小的
omg_loss = omg_am.omg_loss_func(batch, eval_net, self.args.subgoal_mode)
#### 计算q-values 时 init_hidden
self.mac.init_hidden(batch.batch_size)
## 1_Answers
## 2_Answers
## 3_Answers
""".strip().splitlines()
"""The lines of the student's note that notebook 1 answers, without surrounding white space."""

REST_OF_NOTE = r"""
batch_runs = 1
if args.learner in ["q_learner_4am", "omg_learner"]:
if args.agent_shift:
if episode_sample.device != args.device:
max_t = batch.max_seq_length
def train(self, batch: EpisodeBatch, t_env: int, episode_num: int):
# Calculate estimated Q-Values
mac_out = []
omg_am = self.mac.agents_model[self.mac.main_alg_idx]
eval_net = self.mac.agents[self.mac.main_alg_idx]
""".strip().splitlines()
"""Lines of the same note that only other notebooks quote."""


def quotations(name: str) -> list[str]:
    """Return the lines in double backticks of every indented block."""
    lines = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown").splitlines()
    return [match[1].strip() for line in lines if (match := re.fullmatch(r"> ``(.+)``", line))]


def test_every_line_of_the_note_is_quoted_once_and_nothing_else_is():
    assert sorted(quotations("01_three_batch_sizes.ipynb")) == sorted(NOTE)


@pytest.mark.parametrize("name", NAMES)
def test_every_quotation_is_a_line_of_the_note(name):
    assert set(quotations(name)) <= {*NOTE, *REST_OF_NOTE}


def test_chinese_headings_are_translated():
    for cell in read("01_three_batch_sizes.ipynb").cells:
        lines = cell.source.splitlines()
        for number, line in enumerate(lines):
            if line.startswith("> ``") and re.search(r"[\u4e00-\u9fff]", line):
                assert re.fullmatch(r"> \*.+\*", lines[number + 2]), line
