"""Bodies made to exhaust memory, beside honest clients, against the container with its limit."""

import json

from tests.compose.stack import OBSERVATION, Stack
from tests.growth.watch import Watch
from tests.hostile import attack

SECONDS = 60.0
ATTACKERS = 10


def test_hostile_bodies_neither_end_the_container_nor_fail_its_clients(
    in_production: Stack,
) -> None:
    stack = in_production
    address, observation = stack.address("INFERENCE_PORT"), json.dumps(OBSERVATION).encode()
    before = stack.containers()["inference"]
    attack(address, observation, 5)
    calm = attack(address, observation, 15)
    with Watch(stack) as watch:
        beside = attack(address, observation, SECONDS, attackers=ATTACKERS)
    stack.figures["Clients of /predict beside hostile bodies"] = (
        f"{len(beside.latencies):,} answers, {beside.failures.total()} failures, "
        f"p99 {beside.p99 * 1000:.1f} ms (undisturbed {calm.p99 * 1000:.1f} ms), "
        f"peak memory {watch.peaks['inference']:.0f} MiB; hostile bodies: {dict(beside.hostile)}"
    )
    after = stack.containers()["inference"]
    assert after["Id"] == before["Id"]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert not after["State"]["OOMKilled"]
    assert watch.killed_for_memory() == []
    assert watch.peaks["inference"] < before["HostConfig"]["Memory"] / 2**20
    assert beside.hostile["422"] > 0
    assert "200" not in beside.hostile
    assert not calm.failures
    assert not beside.failures
