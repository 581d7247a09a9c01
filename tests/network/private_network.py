"""One stack in a company's network, and what can be seen of it from there."""

from __future__ import annotations

from typing import Any

from local.aws import Moto
from local.machine import PORT_CLIENT_SECRET, Machine, port_stand_in
from local.standins.certificates import PrivateAuthority
from local.standins.forward_proxy import ForwardProxy
from tests.end_to_end.expected import assert_in_port, entity_of, pull_request
from tests.end_to_end.watching import lines, until

BITBUCKET, PORT = "bitbucket.example.com", "api.port.example.com"
REPOSITORY = "PAY/ledger"


class PrivateNetwork:
    """Bitbucket Data Center and Port, reachable only by names that the proxy alone knows, over TLS of ``authority``.

    The stack sets itself up; its functions are told of the proxy for plain requests too, as AWS is on this machine.
    """

    def __init__(self, moto: Moto, authority: PrivateAuthority) -> None:
        self.proxy = ForwardProxy()
        self.port = port_stand_in()
        self.port.start(tls=authority.server_context(PORT), name=PORT)
        self.secrets = moto.client("secretsmanager")
        self.bundle: str = self.secrets.create_secret(Name="authorities", SecretString=authority.certificate)["ARN"]
        self.machine = Machine(
            "server",
            moto=moto,
            port=self.port,
            set_up=True,
            parameters={
                "BitbucketUrl": f"https://{BITBUCKET}",
                "PortBaseUrl": f"https://{PORT}",
                "HttpsProxy": self.proxy.start(),
                "CaBundleSecretArn": self.bundle,
                "ScheduledResyncInterval": "0",
                "ListInterval": "0",
                "PortPollInterval": "0",
            },
            change=self._also_plain_requests,
        )
        self.stack, self.bitbucket = self.machine.stack, self.machine.server
        self.world: Any = self.bitbucket.world
        self.bitbucket.stop()
        self.serve(authority)
        self.world.create_project("PAY", "Payments")
        self.world.create_repository("PAY", "ledger", readme="# Ledger\n")

    def _also_plain_requests(self, document: dict[str, Any]) -> None:
        for resource in document["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                variables = resource["Properties"]["Environment"]["Variables"]
                if "HTTPS_PROXY" in variables:
                    variables["HTTP_PROXY"] = variables["HTTPS_PROXY"]

    def serve(self, authority: PrivateAuthority) -> None:
        """Have Bitbucket and Port answer with certificates of this authority from now on."""
        for stand_in, name in ((self.bitbucket, BITBUCKET), (self.port, PORT)):
            stand_in.stop()
            stand_in.start(tls=authority.server_context(name), name=name)
            self.proxy.names[f"{name}:443"] = stand_in.address

    def name_bundle(self, arn: str) -> None:
        """Let the functions know of these certificates, or none."""
        for function in self.stack.functions.values():
            function.configure({**function.environment, "CA_BUNDLE_SECRET_ARN": arn})

    def stop(self) -> None:
        """End everything."""
        self.machine.stop()
        self.port.stop()
        self.proxy.stop()

    def proxied(self) -> set[tuple[str, str, int]]:
        """What the proxy was asked for so far: method, target, status."""
        return set(self.proxy.requests)

    def open_pull_request(self, name: str) -> Any:
        """Open one, of which Bitbucket tells by the stack's own webhooks; returns it."""
        self.bitbucket.send_through_hooks(self.world.push(REPOSITORY, name, {"a.txt": name}))
        events = self.world.open_pull_request(REPOSITORY, name)
        sent = self.bitbucket.send_through_hooks(events)
        assert [one.status for one in sent] == [202]
        return events.subject

    def put_off(self, told: str) -> None:
        """Wait until something is kept for later because of this."""
        until(
            lambda: [line for line in lines(self.machine, told) if line["message"].startswith("tried again")],
            self.stack.logs,
        )

    def assert_in_port(self, *pulls: Any) -> None:
        """When everything is done, these pull requests are in Port as they should be."""
        self.stack.settle()
        for pull in pulls:
            assert_in_port(self.machine, entity_of(self.machine, "pull-request", pull_request(self.machine, pull)))

    def leaks(self) -> list[str]:
        """Credentials that a log line shows."""
        logs = self.stack.logs()
        return [one for one in (self.bitbucket.token, PORT_CLIENT_SECRET, self.stack.webhook_secret) if one in logs]
