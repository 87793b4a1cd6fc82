"""A private RabbitMQ node: own name, ports, folders and epmd; loopback only.

https://www.rabbitmq.com/docs/configure#supported-environment-variables
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from tests.servers.ports import free_port, wait_for_port, wait_until_closed
from tests.servers.process import ServerProcess

START_SECONDS = 60.0
BINARIES = (
    # The wrapper in the PATH changes user and drops the environment; these do not.
    Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Path("/usr/local/sbin/rabbitmq-server"),
    Path("/opt/rabbitmq/sbin/rabbitmq-server"),
)


class LocalRabbitMQ:
    """A ``rabbitmq-server`` process of our own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._epmd_port = free_port()
        config = folder / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "loopback_users.guest = true\n"
            "log.file.level = warning\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        plugins = folder / "enabled_plugins"
        plugins.write_text("[].\n")
        self.env = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-env.conf"),
            # Otherwise the node's own port for its peers listens on every address.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
            ),
        }
        binary = _binary()
        assert binary is not None, "available() was not asked"
        self.process = ServerProcess(
            [str(binary)], env=self.env, log=folder / "rabbitmq.log", cwd=folder
        )

    @staticmethod
    def available() -> bool:
        """Whether the program is installed."""
        return _binary() is not None

    def start(self) -> None:
        """Start (again) with the same ports and data."""
        self.process.start()
        try:
            wait_for_port(self.port, within=START_SECONDS)
        except TimeoutError:
            raise TimeoutError(self.process.tail()) from None

    def kill9(self) -> None:
        """Die at once, with everything it started but its port mapper."""
        self.process.kill9()
        # The program may be a child of its start script: the group is killed, but only the
        # script was waited for, and a dying node still accepts for a moment.
        wait_until_closed(self.port, within=10)

    def stop(self) -> None:
        """End it, and the port mapper (epmd) it started, by their pids."""
        self.process.stop()
        for process in psutil.process_iter(["name", "environ"]):
            environment = process.info["environ"] or {}
            if process.info["name"] == "epmd" and environment.get("ERL_EPMD_PORT") == str(
                self._epmd_port
            ):
                process.send_signal(signal.SIGKILL)


def _binary() -> Path | None:
    return next((path for path in BINARIES if os.access(path, os.X_OK)), None)
