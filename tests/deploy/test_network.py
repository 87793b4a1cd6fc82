"""Who may speak with whom, as the NetworkPolicies together decide it."""

from __future__ import annotations

import pytest

from tests.deploy.manifests import COMPONENT, Document, Manifests, labels, ports_of, selects

NAME = "app.kubernetes.io/name"
FLOWS = [
    ("gateway", "allocator", 50051),
    ("worker", "allocator", 50051),
    *((who, "rabbitmq", 5672)
      for who in ("gateway", "allocator", "monitor", "worker", "batch", "flower")),
    *((who, "redis", 6379)
      for who in ("gateway", "allocator", "monitor", "worker", "batch", "flower")),
]  # fmt: skip
NOT = [
    ("worker", "gateway", 9999),
    ("flower", "allocator", 50051),
    ("batch", "allocator", 50051),
    ("batch", "worker", 8083),
    ("gateway", "worker", 8083),
    ("worker", "worker", 8083),
    ("allocator", "monitor", 8082),
]


def having(manifests: Manifests, who: str) -> tuple[dict[str, str], dict[str, int]]:
    """A pod's labels and named ports."""
    for one in manifests.workloads():
        if who in (labels(one).get(COMPONENT), labels(one).get(NAME)):
            return labels(one), ports_of(one)
    assert who == "rabbitmq", who  # the operator's pods
    return {NAME: "rabbitmq"}, {"amqp": 5672}


def policies(manifests: Manifests, pod: dict[str, str], way: str) -> list[Document]:
    return [
        p["spec"]
        for p in manifests.of("NetworkPolicy")
        if way in p["spec"]["policyTypes"] and selects(p["spec"]["podSelector"], pod)
    ]


def opens(
    rule: Document, side: str, peer: dict[str, str], port: int, named: dict[str, int]
) -> bool:
    """Whether one rule lets it through, for a peer in the namespace."""
    numbers = [p["port"] for p in rule.get("ports", [])]
    if numbers and port not in [named.get(n, n) if isinstance(n, str) else n for n in numbers]:
        return False
    peers = rule.get(side)
    if peers is None:
        return True
    return any(
        "podSelector" in p and "namespaceSelector" not in p and selects(p["podSelector"], peer)
        for p in peers
    )


def flows(manifests: Manifests, source: str, target: str, port: int) -> bool:
    sender, _ = having(manifests, source)
    receiver, named = having(manifests, target)
    out = any(
        opens(rule, "to", receiver, port, named)
        for policy in policies(manifests, sender, "Egress")
        for rule in policy.get("egress", [])
    )
    into = any(
        opens(rule, "from", sender, port, named)
        for policy in policies(manifests, receiver, "Ingress")
        for rule in policy.get("ingress", [])
    )
    return out and into


@pytest.mark.parametrize(("source", "target", "port"), FLOWS)
def test_what_must_flow_flows(manifests: Manifests, source: str, target: str, port: int) -> None:
    assert flows(manifests, source, target, port)


@pytest.mark.parametrize(("source", "target", "port"), NOT)
def test_what_need_not_flow_does_not(
    manifests: Manifests, source: str, target: str, port: int
) -> None:
    assert not flows(manifests, source, target, port)


def test_every_pod_is_under_both_defaults(manifests: Manifests) -> None:
    default = manifests.get("NetworkPolicy", "default-deny")["spec"]
    assert default == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_pod_finds_names(manifests: Manifests) -> None:
    dns = manifests.get("NetworkPolicy", "dns")["spec"]
    assert dns["podSelector"] == {}
    assert {(p["protocol"], p["port"]) for p in dns["egress"][0]["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }


def test_callers_reach_the_gateway_from_anywhere(manifests: Manifests) -> None:
    [rule] = manifests.get("NetworkPolicy", "gateway")["spec"]["ingress"]
    assert "from" not in rule
    assert [p["port"] for p in rule["ports"]] == [8080]


def test_only_the_monitor_reaches_the_api_server(manifests: Manifests) -> None:
    assert opens_anywhere(manifests, "monitor", 443)
    for who in ("gateway", "allocator", "worker", "flower", "batch"):
        assert not opens_anywhere(manifests, who, 443), who


def test_a_recording_s_address_does_not_lead_into_the_cluster(manifests: Manifests) -> None:
    pod, _ = having(manifests, "batch")
    blocks = [
        peer["ipBlock"]
        for policy in policies(manifests, pod, "Egress")
        for rule in policy.get("egress", [])
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    ]
    wide = next(b for b in blocks if b["cidr"] == "0.0.0.0/0")
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        wide["except"]
    )


def opens_anywhere(manifests: Manifests, who: str, port: int) -> bool:
    pod, _ = having(manifests, who)
    return any(
        "to" not in rule and port in [p["port"] for p in rule.get("ports", [])]
        for policy in policies(manifests, pod, "Egress")
        for rule in policy.get("egress", [])
    )


def test_valkey_s_nodes_are_reached_by_their_proxy_only(eks: Manifests) -> None:
    assert flows(eks, "redis", "redis-node", 6379)
    assert flows(eks, "redis-node", "redis-node", 26379)
    for who in ("gateway", "worker", "flower"):
        assert not flows(eks, who, "redis-node", 6379)
