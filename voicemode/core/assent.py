"""May a function be called? How that is asked aloud, and whether what the person says to it is a yes or a no.

Only a whole utterance counts that is nothing but a yes, or nothing but a no, in any of our languages. Whatever else is said is
neither: a wrong "neither" costs a question, a wrong yes cannot be taken back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from voicemode.core.commands import plain_words

__all__ = ["SHOWN_CHARS", "AskToCall", "ask_to_call", "read_assent"]

SHOWN_CHARS = 200
"""Of a call's arguments, which may be long, and whose words a stranger may have chosen."""
_NAME_CHARS = 64
_MOST_WORDS = 24
"""Nobody needs more for a yes; of Japanese, letters."""


@dataclass(frozen=True, slots=True)
class AskToCall:
    """A question in words."""

    lead: str
    """What names server and function. Who has not heard it has not been asked."""
    rest: str

    @property
    def text(self) -> str:
        return self.lead + self.rest


_QUESTIONS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "en": ("May I use {tool} of {server}", ", with {}", "?"),
        "de": ("Darf ich {tool} von {server} benutzen", ", mit {}", "?"),
        "fr": ("Puis-je utiliser {tool} de {server}", ", avec {}", " ?"),
        "es": ("¿Puedo usar {tool} de {server}", ", con {}", "?"),
        "it": ("Posso usare {tool} di {server}", ", con {}", "?"),
        "pt": ("Posso usar {tool} de {server}", ", com {}", "?"),
        "nl": ("Mag ik {tool} van {server} gebruiken", ", met {}", "?"),
        "pl": ("Czy mogę użyć {tool} z {server}", ", z {}", "?"),
        "ja": ("{server}の{tool}を使ってもいいですか", "。内容は、{}", "。"),
    }
)
"""The lead, what tells the arguments, and the end."""

_YES = (
    *("yes", "yeah", "yep", "yup", "sure", "sure thing", "ok", "okay", "alright", "all right", "of course", "certainly"),
    *("absolutely", "definitely", "go ahead", "go for it", "do it", "do that", "please do", "you may", "you can", "allow it"),
    *("i allow it", "that's fine", "that is fine", "fine", "that's okay", "that's ok", "sounds good", "approved", "i agree"),
    *("ja", "jawohl", "klar", "na klar", "natürlich", "gern", "gerne", "in ordnung", "einverstanden", "mach das", "mach nur"),
    *("mach es", "tu das", "darfst du", "du darfst", "das darfst du", "ja doch", "selbstverständlich"),
    *("oui", "ouais", "d'accord", "bien sûr", "vas-y", "allez-y", "volontiers", "tu peux", "vous pouvez", "fais-le"),
    *("sí", "claro", "claro que sí", "vale", "adelante", "por supuesto", "de acuerdo", "hazlo", "puedes"),
    *("sì", "certo", "certamente", "va bene", "fai pure", "d'accordo", "puoi", "volentieri", "fallo"),
    *("sim", "com certeza", "pode", "podes", "pode ser", "está bem", "tudo bem", "faz isso", "faça isso", "à vontade"),
    *("jawel", "ja hoor", "ja graag", "graag", "prima", "goed", "is goed", "dat is goed", "doe maar", "natuurlijk", "zeker"),
    *("tak", "jasne", "oczywiście", "zgoda", "dobrze", "możesz", "zrób to", "śmiało"),
    *("はい", "ええ", "うん", "お願いします", "いいですよ", "いいよ", "どうぞ", "もちろん"),
)
_NO = (
    *("no", "nope", "nah", "no thanks", "no thank you", "don't", "do not", "don't do it", "don't do that", "do not do that"),
    *("not now", "never", "of course not", "certainly not", "absolutely not", "definitely not", "i don't think so", "no way"),
    *("better not", "rather not", "i'd rather not", "you may not", "you can't", "cancel", "stop", "leave it", "stop it"),
    *("nein", "nö", "nee", "nicht", "nein danke", "lieber nicht", "bitte nicht", "jetzt nicht", "auf keinen fall", "lass das"),
    *("lass es", "natürlich nicht", "besser nicht", "niemals", "darfst du nicht", "das darfst du nicht"),
    *("non", "non merci", "pas maintenant", "surtout pas", "bien sûr que non", "jamais", "plutôt pas", "ne fais pas ça"),
    *("no gracias", "ahora no", "mejor no", "nunca", "claro que no", "por supuesto que no", "no lo hagas", "de ninguna manera"),
    *("no grazie", "non ora", "meglio di no", "assolutamente no", "mai", "certo che no", "non farlo"),
    *("não", "não obrigado", "não obrigada", "agora não", "melhor não", "nunca", "claro que não", "não faça isso"),
    *("nee dank je", "nee bedankt", "liever niet", "niet doen", "nu niet", "natuurlijk niet", "nooit", "doe maar niet"),
    *("nie", "nie dziękuję", "lepiej nie", "nie teraz", "oczywiście że nie", "nigdy", "nie rób tego"),
    *("いいえ", "いや", "だめ", "だめです", "やめて", "やめてください", "結構です", "しないで", "しないでください"),
)
_BESIDE = (
    *("please", "thanks", "thank you", "well", "oh", "uh", "um", "er", "hmm", "then", "now", "yes please"),
    *(
        "bitte",
        "danke",
        "also",
        "na",
        "äh",
        "ähm",
        "dann",
        "jetzt",
        "merci",
        "s'il te plaît",
        "s'il vous plaît",
        "euh",
        "alors",
    ),
    *("por favor", "gracias", "pues", "bueno", "per favore", "grazie", "allora", "obrigado", "obrigada", "então"),
    *("alsjeblieft", "alstublieft", "dank je", "bedankt", "nou", "proszę", "dziękuję", "no to", "です", "あの", "えっと"),
)
"""What may stand beside a yes or a no, and changes nothing."""

_Words = tuple[str, ...]


def _table() -> Mapping[_Words, frozenset[str]]:
    kinds: dict[_Words, frozenset[str]] = {}
    for kind, phrases in (("yes", _YES), ("no", _NO), ("", _BESIDE)):
        for phrase in phrases:
            words = plain_words(phrase)
            kinds[words] = kinds.get(words, frozenset()) | {kind}
    return MappingProxyType(kinds)


_PHRASES = _table()
_LONGEST = max(map(len, _PHRASES))
_SAID_YES, _SAID_NO = frozenset({"yes"}), frozenset({"no"})


def read_assent(text: str) -> bool | None:
    """Whether ``text``, a whole utterance, is a yes; None where it is neither a clear yes nor a clear no."""
    words = plain_words(text)
    if not words or len(words) > _MOST_WORDS:
        return None
    # For each place between two words: what the words before it can have said.
    reached: list[set[frozenset[str]]] = [set() for _ in range(len(words) + 1)]
    reached[0].add(frozenset())
    for start, said in enumerate(reached[:-1]):
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
            kinds = _PHRASES.get(words[start:end], frozenset())
            reached[end] |= {before | ({kind} if kind else set()) for before in said for kind in kinds}
    readings = reached[-1] - {frozenset()}
    if readings == {_SAID_YES}:
        return True
    # "Don't do it" can be read as a no and a yes; what can be read as a no and as no mere yes is a no.
    return False if _SAID_NO in readings and _SAID_YES not in readings else None


def ask_to_call(tool: str, server: str, arguments: str, language: str = "") -> AskToCall:
    """The question whether ``tool`` of ``server`` may be called with ``arguments`` (JSON). ``language`` is BCP 47."""
    lead, given, end = _QUESTIONS.get(language.replace("_", "-").split("-")[0].lower(), _QUESTIONS["en"])
    shown = _shown(arguments)
    rest = given.format(shown) if shown else ""
    return AskToCall(lead.format(tool=_spoken_name(tool), server=_spoken_name(server)), rest + end)


def _spoken_name(name: str) -> str:
    """As words: names are written for machines."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name[: 4 * _NAME_CHARS])
    return " ".join(re.findall(r"[^\W_]+", apart))[:_NAME_CHARS].strip() or "?"


def _shown(arguments: str) -> str:
    """The first of them."""
    try:
        values = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        values = arguments
    if isinstance(values, dict):
        text = ", ".join(f"{_spoken_name(name)}: {_plain(value)}" for name, value in values.items())
    else:
        text = _plain(values)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1].rstrip()}…"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
