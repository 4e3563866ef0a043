"""Only who has the token can show it, and only about their own port."""

from __future__ import annotations

import secrets

import pytest

from voicemode.wire.server_proof import ServerProof

TOKEN = "vm_a-token-of-these-tests"


def new_nonce() -> str:
    return secrets.token_urlsafe(32)


def test_who_has_the_token_is_believed() -> None:
    """Whatever was asked; the same question has one answer."""
    asked, knows = ServerProof(TOKEN), ServerProof(TOKEN)
    for nonce in (new_nonce(), new_nonce()):
        assert asked.is_answer(knows.answer(nonce, 8765), nonce, 8765)
        assert knows.answer(nonce, 8765) == knows.answer(nonce, 8765)


def test_nothing_else_is_an_answer() -> None:
    """Another token's, another port's, that to another question, none, and the token itself."""
    nonce, knows = new_nonce(), ServerProof(TOKEN)
    others = (
        ServerProof("vm_another-token-of-these").answer(nonce, 8765),
        knows.answer(nonce, 8766),
        knows.answer(new_nonce(), 8765),
        "",
        TOKEN,
    )
    assert not any(ServerProof(TOKEN).is_answer(other, nonce, 8765) for other in others)


def test_an_answer_tells_nothing_of_the_token() -> None:
    """It is 64 hexadecimal digits."""
    answer = ServerProof(TOKEN).answer(new_nonce(), 8765)
    assert len(bytes.fromhex(answer)) == 32


@pytest.mark.parametrize("nonce", ["", "short", "x" * 87, "x" * 30 + "\n", "x" * 30 + " 8765", "ü" * 30])
def test_what_is_no_nonce_is_not_answered(nonce: str) -> None:
    """Nobody gets anything else signed."""
    with pytest.raises(ValueError, match="22 to 86"):
        ServerProof(TOKEN).answer(nonce, 8765)
