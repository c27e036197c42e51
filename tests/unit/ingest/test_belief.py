"""Who is believed to be an agent, where a configuration says more than the identity matrix tries."""

from __future__ import annotations

import pytest
from builders import mail

from maild.ingest.belief import believe
from maild.ingest.parse import parse
from maild.ingest.sender import identify
from maild.model.message import Authentication, Door
from maild.settings.models import Trust, User

ALICE = User(name="Alice Ng", email=("alice@example.com", "alice@phone.example"), login="ang")
INSIDE = Trust(header={"X-MS-Exchange-Organization-AuthAs": "Internal"})


def by(
    headers: list[str], *, door: Door = Door.SMTP, trust: Trust | None = INSIDE, user: User = ALICE, login: str | None = None,
    sender: str = "alice@example.com", authentication: Authentication | None = None,
) -> bool:  # fmt: skip
    message = parse(mail("#take", sender=sender, headers=headers))
    return bool(
        believe(
            message, identify(message, None, frozenset()), authentication or Authentication(), key="alice", user=user,
            trust=trust, others=frozenset({"bob"}), login=login, door=door, token_is_theirs=False,
        ).by
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "door", "believed"),
    [
        (["X-MS-Exchange-Organization-AuthAs: Internal"], Door.IMAP, True),
        (["X-MS-Exchange-Organization-AuthAs: internal"], Door.IMAP, True),
        (["X-MS-Exchange-Organization-AuthAs: Internal"], Door.SMTP, False),
        (["X-MS-Exchange-Organization-AuthAs: Internal"], Door.PIPE, False),
        (["X-MS-Exchange-Organization-AuthAs: Anonymous"], Door.IMAP, False),
        (["X-MS-Exchange-Organization-AuthAs: Internal", "X-MS-Exchange-Organization-AuthAs: Anonymous"], Door.IMAP, False),
        ([], Door.IMAP, False),
    ],
)
def test_the_header_that_only_our_own_server_sets_counts_by_imap_alone(headers: list[str], door: Door, believed: bool) -> None:
    assert by(headers, door=door) is believed


@pytest.mark.parametrize(
    ("login", "believed"),
    [("ang", True), ("ALICE", True), ("alice@phone.example", True), ("bob", False), ("postfix", False), (None, False)],
)
def test_smtp_auth_as_them(login: str | None, believed: bool) -> None:
    assert by([], login=login) is believed


def test_a_second_address_is_theirs_and_one_who_left_is_not_believed() -> None:
    assert by([], login="ang", sender="alice@phone.example")
    assert not by([], login="ang", sender="alice@evil.example")
    assert not by([], login="ang", user=ALICE.model_copy(update={"active": False}))


def test_auth_as_their_login_counts_unless_the_sender_failed() -> None:
    trust = Trust(authserv_id="mx.example.com")
    assert by([], trust=trust, authentication=Authentication(login="ang"))
    assert not by([], trust=trust, authentication=Authentication(login="bob"))
    assert not by([], trust=trust, authentication=Authentication(login="ang", failed=True))
