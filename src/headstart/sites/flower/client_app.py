"""The app that Flower starts at a site: it answers what the server asks, from the site's own settings."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from headstart.core.errors import HeadstartError, SettingError
from headstart.core.visible import visible
from headstart.sites.answers import DUTIES, Kind, reply
from headstart.sites.flower.grid import from_content, to_content
from headstart.sites.flower.keys import read_public_key
from headstart.sites.messages import Refusal
from headstart.sites.settings import NodeSettings, names_in
from headstart.sites.site import Site
from headstart.sites.wire import read, write

app = ClientApp()
_log = logging.getLogger(__name__)


def _site(node: NodeSettings) -> Site:
    """Return what a node's operator set when it was started."""
    return Site(
        name=node.name,
        data=Path(node.data),
        state=Path(node.state),
        policy=node.policy,
        noise=node.noise,
        masked=node.masked,
        one_hot=names_in(node.one_hot),
        signer=read_public_key(Path(node.signer)) if node.signer else None,
    )


def _respond(kind: Kind) -> Callable[[Message, Context], Message]:
    """Return what answers one kind of request; an error goes back as its text, without a traceback."""

    def respond_to(message: Message, context: Context) -> Message:
        try:
            node = read(NodeSettings, json.dumps(dict(context.node_config)), "node", SettingError)
            text, tree, _ = from_content(message.content, node.most_bytes)
            said, sent = reply(_site(node), kind, text, tree)
        except HeadstartError as error:
            said, sent = write(Refusal(str(error))), {}
        except Exception as error:
            # The text of an unforeseen error may quote data: it stays here, in the node's log.
            for line in traceback.format_exc().splitlines():
                _log.error("'%s' failed: %s", kind, visible(line))
            said, sent = write(Refusal(f"it failed with {type(error).__name__}; its own log says more")), {}
        return Message(to_content(said, sent), reply_to=message)

    return respond_to


for _kind in DUTIES:
    app.query(_kind)(_respond(_kind))
