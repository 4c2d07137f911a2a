"""The double's program: pysc2 starts it as `SC2_x64 -listen HOST -port PORT ...`; see the package's docstring."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from game import ENEMY, MOVE, OWN, SIZE, TYPES, Game
from s2clientprotocol import sc2api_pb2 as api
from wire import Wire

CELLS = int(SIZE)


class Faults:
    """The faults to inject, from a file that all games of one folder share."""

    def __init__(self, path: Path) -> None:
        self.path, self.wanted, self.steps = path, json.loads(path.read_text()), 0

    def at_start(self) -> None:
        if code := self.wanted.get("exit_at_start"):
            sys.exit(code)
        time.sleep(self.wanted.get("start_after", 0))

    def swallow(self) -> bool:
        """Return whether a requested unit does not appear."""
        swallowed = self.wanted.get("swallow_units", 0) > 0
        self.wanted["swallow_units"] = self.wanted.get("swallow_units", 0) - 1
        return swallowed

    def at_step(self) -> None:
        self.steps += 1
        due = [name for name in ("exit_at_step", "silent_at_step") if self.wanted.get(name) == self.steps]
        if not due:
            return
        if not self.wanted.get("again"):
            self.path.write_text("{}")
        if due == ["silent_at_step"]:
            time.sleep(3600)
        os._exit(1)


class Server:
    """Answers requests, and plays the game that they are about."""

    def __init__(self, faults: Faults) -> None:
        self.faults, self.status, self.game = faults, api.launched, Game(0)

    def answer(self, message: bytes) -> bytes | None:
        """Return the response to a request, or None if it ends the program. Unknown requests get an empty answer."""
        request = api.Request.FromString(message)
        kind = request.WhichOneof("request")
        if kind == "quit":
            return None
        response = api.Response(id=request.id)
        answer = getattr(response, kind)
        answer.SetInParent()
        getattr(self, f"on_{kind}", lambda *_: None)(getattr(request, kind), answer)
        response.status = self.status
        return response.SerializeToString()

    def on_create_game(self, request: api.RequestCreateGame, answer: api.ResponseCreateGame) -> None:
        if text := self.faults.wanted.get("refuse_map"):
            answer.error, answer.error_details = api.ResponseCreateGame.InvalidMapData, text
            return
        self.game, self.status = Game(request.random_seed), api.init_game

    def on_join_game(self, request: api.RequestJoinGame, answer: api.ResponseJoinGame) -> None:
        answer.player_id, self.status = OWN, api.in_game

    def on_game_info(self, request: api.RequestGameInfo, answer: api.ResponseGameInfo) -> None:
        raw = answer.start_raw
        raw.map_size.x = raw.map_size.y = raw.playable_area.p1.x = raw.playable_area.p1.y = CELLS
        raw.playable_area.p0.x = raw.playable_area.p0.y = 0
        for image, bits, byte in ((raw.pathing_grid, 1, b"\xff"), (raw.terrain_height, 8, b"\x7f")):
            image.bits_per_pixel, image.size.x, image.size.y = bits, CELLS, CELLS
            image.data = byte * (CELLS * CELLS * bits // 8)

    def on_data(self, request: api.RequestData, answer: api.ResponseData) -> None:
        for number in range(TYPES):
            answer.units.add(unit_id=number, name=f"type {number}")

    def on_debug(self, request: api.RequestDebug, answer: api.ResponseDebug) -> None:
        for command in request.debug:
            for tag in command.kill_unit.tag:
                self.game.kill(tag)
            if command.HasField("create_unit") and not self.faults.swallow():
                made = command.create_unit
                self.game.create(made.unit_type, made.owner, made.pos.x, made.pos.y)

    def on_action(self, request: api.RequestAction, answer: api.ResponseAction) -> None:
        for action in request.actions:
            command = action.action_raw.unit_command
            if command.HasField("target_world_space_pos"):
                order = (MOVE, command.target_world_space_pos.x, command.target_world_space_pos.y)
            elif command.HasField("target_unit_tag"):
                order = (command.ability_id, command.target_unit_tag)
            else:
                order = None
            for unit in map(self.game.units.get, command.unit_tags):
                if unit is not None:
                    unit.order = order
            answer.result.append(1)  # success

    def on_step(self, request: api.RequestStep, answer: api.ResponseStep) -> None:
        if request.count > 2:  # a step of smacv2; with fewer loops it only waits for units to appear or go
            self.faults.at_step()
        for _ in range(request.count):
            self.game.tick()

    def on_observation(self, request: api.RequestObservation, answer: api.ResponseObservation) -> None:
        observation = answer.observation
        observation.game_loop = self.game.loop
        for unit in self.game.units.values():
            made = observation.raw_data.units.add(
                tag=unit.tag,
                unit_type=unit.type,
                owner=unit.owner,
                alliance=4 if unit.owner == ENEMY else 1,
                health=unit.health,
                health_max=unit.kind.health,
                shield=unit.shield,
                shield_max=unit.kind.shield,
                weapon_cooldown=unit.cooldown,
                energy=50,
                display_type=1,
            )
            made.pos.x, made.pos.y = unit.x, unit.y

    def on_save_replay(self, request: api.RequestSaveReplay, answer: api.ResponseSaveReplay) -> None:
        answer.data = b"replay of the double, loop %d" % self.game.loop


def main() -> None:
    faults = Faults(Path(sys.argv[1]) / "faults.json")
    faults.at_start()
    host, port = (sys.argv[sys.argv.index(name) + 1] for name in ("-listen", "-port"))
    server, wire = Server(faults), Wire(host, int(port))
    while (message := wire.read()) is not None and (answer := server.answer(message)) is not None:
        wire.write(answer)


if __name__ == "__main__":
    main()
