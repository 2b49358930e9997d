"""The app that Flower starts at a site: it answers what the server asks, from the site's own settings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from headstart.core.errors import HeadstartError
from headstart.sites.flower.grid import MOST_BYTES, from_content, to_content
from headstart.sites.messages import KINDS, Kind
from headstart.sites.shelf import read_public_key
from headstart.sites.site import Site, answer

app = ClientApp()
log = logging.getLogger(__name__)


def site_of(node: Any) -> Site:
    """Read a node's settings, which its operator gave when it was started."""
    signer = node.get("signer")
    return Site(
        name=str(node["name"]),
        data=Path(str(node["data"])),
        state=Path(str(node["state"])),
        policy=str(node.get("policy", "updates")),
        noise=float(node.get("noise", 0.0)),
        masked=bool(node.get("masked", False)),
        signer=read_public_key(Path(str(signer))) if signer else None,
    )


def respond(kind: Kind) -> Callable[[Message, Context], Message]:
    """Return what answers one kind of request; an error goes back as its text, without a traceback."""

    def respond_to(message: Message, context: Context) -> Message:
        try:
            most = int(context.node_config.get("most-bytes", MOST_BYTES))
            values, tree, _ = from_content(message.content, most)
            said, sent = answer(site_of(context.node_config), kind, values, tree)
        except HeadstartError as error:
            said, sent = {"error": str(error)}, {}
        except Exception as error:
            # The text of an unforeseen error may quote data: it stays here, in the node's log.
            log.exception("'%s' failed", kind)
            said, sent = {"error": f"it failed with {type(error).__name__}; its own log says more"}, {}
        return Message(to_content(said, sent), reply_to=message)

    return respond_to


for each in KINDS:
    app.query(each)(respond(each))
