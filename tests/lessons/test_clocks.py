"""The two clocks of the runner."""

import omg_lib as omg
from omg_lib.lessons.clocks import acting_clock


def test_a_lockstep_moves_several_episodes():
    ticks = acting_clock(omg.OMGConfig(n_agents=2, learner="iql", teammates="scripted"), widths=(1, 5), seconds=0.02)
    on_cpu = [tick for tick in ticks if tick.device == "cpu"]
    assert [tick.width for tick in on_cpu] == [1, 5]
    one, five = on_cpu
    assert one.lockstep == one.step > 0
    assert 0 < five.step < five.lockstep <= 5.0001 * five.step
