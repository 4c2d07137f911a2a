"""Presets: the paper's Table 1, and the released code's choices, as settings of a configuration."""

from __future__ import annotations

from omg_lib.errors import check_choice

TABLE_1 = dict(
    batch_size=32, buffer_size=5000, dueling=True, epsilon_finish=0.05, kl_weight=0.001, omg_lr=0.001, mix_start=0.5,
    mix_anneal_time=50_000,
)  # fmt: skip
"""What Table 1 has for Foraging and SMAC alike. Dueling is section 5.1's; the table calls 1 - epsilon epsilon."""
FORAGING = dict(
    network="mlp", rnn_hidden_dim=32, subgoal_mode="conservative", horizon=5, optimiser="adam", lr=0.005,
    target_update_interval=100, epsilon_start=0.5, epsilon_anneal_time=4500, feature_dim=64, context_dim=32,
)  # fmt: skip
"""Table 1's column for Foraging: D3QN. The paper finds the conservative choice better in this general-sum game."""
SMAC = dict(
    horizon=10, optimiser="rmsprop", lr=0.0005, target_update_interval=200, epsilon_start=1.0,
    epsilon_anneal_time=50_000, feature_dim=64, context_dim=32,
)  # fmt: skip
"""Table 1's column for SMAC, also used for every other game."""
RELEASED = dict(
    learner="omg_released", batch_size=32, buffer_size=5000, dueling=False, horizon=5, optimiser="rmsprop", lr=0.0005,
    omg_lr=0.0005, target_update_interval=200, epsilon_start=1.0, epsilon_finish=0.05, epsilon_anneal_time=50_000,
    kl_weight=0.001, mix_start=0.5, mix_anneal_time=50_000, bootstrap_subgoal="next", q_subgoal="inferred",
    test_subgoal="sample",
)  # fmt: skip
"""The dump of a real run of the released code; `omg_lib.learners.released` describes the learner."""
PRESETS = ("paper", "released")


def preset(name: str, env: str = "skirmish") -> dict[str, object]:
    """Return the settings of a preset for a game: `OMGConfig.from_dict(preset("paper", env) | {"env": env})`.

    "paper" is Table 1 (`foraging` has a column of its own), "released" what the released code does. The two disagree on
    H: 10 against 5 on SMAC. ConfigError for another name.
    """
    check_choice("preset", name, PRESETS)
    if name == "released":
        return dict(RELEASED)
    return TABLE_1 | (FORAGING if env == "foraging" else SMAC)
