"""The words of each language that tell whether a sentence, or a question, can end: a table, read by unfinished and questions.

Words that may well end a sentence are left out, however often they stand inside one: German verb prefixes ("mach das Licht
an"), Dutch ones, English particles ("turn it off"), pronouns. A language that is not here gives no cue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["TURN_WORDS", "TurnWords", "guess_language", "likely_languages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnWords:
    """Lower case, without apostrophes' typographic forms."""

    common: frozenset[str]
    """Frequent words, to recognise the language by."""
    open_words: frozenset[str]
    """No sentence ends with one: conjunctions, articles, prepositions, fillers."""
    stranded: frozenset[str] = frozenset()
    """As ``open_words``, except in a sentence with a question word: "what are you looking for"."""
    to_be: frozenset[str] = frozenset()
    """No sentence ends with one behind a noun ("my number is"), many do behind a pronoun ("yes it is")."""
    pronouns: frozenset[str] = frozenset()
    """Behind these ``to_be`` may end a sentence."""
    open_endings: tuple[str, ...] = ()
    """Whole ends that want more: "I would like"."""
    closed_endings: tuple[str, ...] = ()
    """Whole ends after which people stop: "that's all"."""
    complete: tuple[str, ...] = ()
    """Ends with an open word that are whole sentences all the same: "I think so"."""
    digits: frozenset[str]
    """One digit each; said one after the other, they are a number that may go on."""
    code_nouns: frozenset[str]
    """What is given digit by digit."""
    yes_no: frozenset[str]
    """Answers to a question without a question word, or the first words of one."""
    question_words: frozenset[str]
    """Without those that join sentences more often than they ask: French "que", Italian "che", Portuguese "que"."""
    alternatives: frozenset[str]
    """Between the answers that a question offers."""
    counted: tuple[str, ...] = ()
    """Ask for one number: "how many"."""
    spelled: frozenset[str] = frozenset()
    """Ask for letters."""
    listed: tuple[str, ...] = ()
    """Ask for several things."""

    @property
    def tell_tale(self) -> frozenset[str]:
        """Words to recognise the language by: of one alone it is known, or not at all."""
        return self.common | self.question_words | self.alternatives

    @property
    def all_words(self) -> frozenset[str]:
        """Words that are of this language, and may be of others."""
        known = self.tell_tale | self.open_words | self.stranded | self.to_be | self.pronouns | self.digits | self.code_nouns
        return known - _FILLERS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILLERS = _words("um umm uh uhm er erm eh ehm em hm hmm mm mmm ah oh äh ähm öhm euh heu bah ben alors este pues nou tja né")
"""People hesitate alike in most languages."""


_ENGLISH = TurnWords(
    common=_words("the a an and is are you i to of it in that what my your this do not for with would can have"),
    open_words=_words(
        "and or but because although though unless whereas whether if than the a an my your our their every very "
        "i we he she they um uh uhm umm er erm hmm i'm i'll i'd i've we're they're you're we'll they'll it'll who's including"
    ),
    stranded=_words("to of for with from at into onto between among towards toward against during per via about as so that"),
    to_be=_words("is are was were be am will would could should can has have had"),
    pronouns=_words("i you he she it we they there this that these those here so not who what"),
    open_endings=(
        *("i would like", "i'd like", "we would like", "we'd like", "i want", "i need", "i mean", "i guess i", "let me see"),
        *(
            "let me think",
            "let's see",
            "for example",
            "such as",
            "you know",
            "i was wondering",
            "the thing is",
            "it depends on",
        ),
        *("i would like to", "i'd like to", "i want to", "i need to", "i think that", "is called", "my name is", "as well as"),
    ),
    closed_endings=(
        *("that's all", "that's it", "that is all", "that is it", "that would be all", "that'll be all", "thank you"),
        *("thanks", "goodbye", "bye", "never mind", "nothing else", "yes please", "no thanks"),
    ),
    complete=(
        "think so",
        "hope so",
        "guess so",
        "so so",
        "say so",
        "love to",
        "like to",
        "like that",
        "do that",
        "to that",
        "about that",
        "do i",
        "am i",
        "and i",
        "do we",
    ),
    digits=_words("zero oh one two three four five six seven eight nine double"),
    code_nouns=_words("number phone telephone mobile code pin zip postcode card account iban serial password"),
    yes_no=_words("yes no yeah yep yup nope nah sure okay ok right correct exactly absolutely certainly maybe not of"),
    question_words=_words("what who whom whose where when why how which what's who's where's when's how's"),
    alternatives=_words("or"),
    counted=("how many", "how much", "how old", "how long", "how far", "how often", "what time", "which year", "what year"),
    spelled=_words("spell spelled spelt spelling letters letter"),
    listed=("list", "which items", "what items", "shopping", "what else", "all the", "everything you"),
)
_GERMAN = TurnWords(
    common=_words("der die das und ist ich nicht ein eine zu es sie du wir den mit auf für wie was mein dein bitte"),
    open_words=_words(
        "und oder aber weil obwohl sondern denn dass falls sodass sowie dem des einen einem einer eines eine mein meine meinen "
        "meinem meiner dein deine deinen ihre ihren unser unsere von für ohne gegen zwischen wegen durch seit beim vom zum zur "
        "im am ins ans sehr äh ähm öhm hm also"
    ),
    to_be=_words("ist sind war waren heißt lautet"),
    pronouns=_words("ich du er sie es wir ihr das dies so da hier nicht was wer"),
    open_endings=(
        "ich möchte",
        "ich hätte gern",
        "ich hätte gerne",
        "ich will",
        "ich brauche",
        "ich meine",
        "zum beispiel",
        "mal sehen",
    ),
    closed_endings=(
        "das ist alles",
        "das war's",
        "das wars",
        "danke",
        "vielen dank",
        "danke schön",
        "tschüss",
        "auf wiedersehen",
    ),
    complete=("ich auch", "na also"),
    digits=_words("null eins ein zwei zwo drei vier fünf sechs sieben acht neun"),
    code_nouns=_words("nummer telefonnummer handynummer code pin postleitzahl karte kontonummer iban passwort"),
    yes_no=_words("ja nein doch klar genau jawohl richtig stimmt okay ok gern gerne vielleicht nicht"),
    question_words=_words("was wer wen wem wessen wo wohin woher wann warum wieso weshalb wie welche welcher welches welchen"),
    alternatives=_words("oder"),
    counted=("wie viele", "wie viel", "wieviel", "wie alt", "wie lange", "wie weit", "wie oft", "wie spät", "welches jahr"),
    spelled=_words("buchstabieren buchstabiere buchstabe buchstaben"),
    listed=("liste", "was noch", "alles", "welche dinge"),
)
_FRENCH = TurnWords(
    common=_words("le la les et est je ne pas un une de des vous tu il que pour dans avec mon ma votre ce ça"),
    open_words=_words(
        "et ou mais car donc parce que qui si puisque quoique lorsque le la les un une du des de au aux mon ma mes ton ta tes "
        "son ses notre votre vos leur leurs ce cet cette ces dans par sur sous chez vers très euh heu hum je tu il ne à en"
    ),
    stranded=_words("pour avec sans"),
    to_be=_words("est sont était étaient"),
    pronouns=_words("il elle ce c' ça on nous vous ils elles tu je y où qui"),
    open_endings=(
        "je voudrais",
        "j'aimerais",
        "je veux",
        "il faut",
        "par exemple",
        "c'est-à-dire",
        "je veux dire",
        "parce qu'il",
    ),
    closed_endings=("c'est tout", "merci", "merci beaucoup", "au revoir", "s'il vous plaît", "s'il te plaît"),
    digits=_words("zéro un deux trois quatre cinq six sept huit neuf"),
    code_nouns=_words("numéro téléphone code carte compte iban postal"),
    yes_no=_words("oui non si ouais d'accord bien exactement certainement ok okay peut-être pas"),
    question_words=_words("qu'est-ce quoi qui où quand pourquoi comment combien quel quelle quels quelles"),
    alternatives=_words("ou"),
    counted=("combien", "quel âge", "quelle heure", "quelle année"),
    spelled=_words("épeler épelez épelle lettre lettres"),
    listed=("liste", "quoi d'autre"),
)
_SPANISH = TurnWords(
    common=_words("el la los y es no un una de que en por con para mi tu su lo se está qué como"),
    open_words=_words(
        "y e o u pero porque aunque sino pues que si el la los las un una unos unas de del al mi mis tu tus su sus nuestro "
        "nuestra en con sin por para hacia desde hasta entre sobre muy a eh em este"
    ),
    to_be=_words("es son era eran está están"),
    pronouns=_words("él ella eso esto así no sí ya qué quién cómo dónde"),
    open_endings=("me gustaría", "quisiera", "quiero", "necesito", "por ejemplo", "es decir", "o sea", "a ver", "me llamo"),
    closed_endings=("eso es todo", "nada más", "gracias", "muchas gracias", "adiós", "por favor"),
    complete=("creo que sí", "creo que no", "claro que sí"),
    digits=_words("cero uno dos tres cuatro cinco seis siete ocho nueve"),
    code_nouns=_words("número teléfono código tarjeta cuenta iban postal pin"),
    yes_no=_words("sí si no claro vale exacto correcto quizás seguro bueno"),
    question_words=_words("qué quién quiénes dónde cuándo cómo cuál cuáles cuánto cuánta cuántos cuántas adónde"),
    alternatives=_words("o u"),
    counted=("cuánto", "cuánta", "cuántos", "cuántas", "qué hora", "qué año"),
    spelled=_words("deletrear deletree deletrea letra letras"),
    listed=("lista", "qué más"),
)
_ITALIAN = TurnWords(
    common=_words("il la che e è non un una di per con sono mi ho lo gli come questo della"),
    open_words=_words(
        "e ed o ma perché anche che se quando mentre il lo i gli le un uno una di del dello della dei degli delle al allo alla "
        "ai da dal dalla nel nella nei sul sulla con per tra fra mio mia miei tuo tua suo molto ehm eh mm"
    ),
    to_be=_words("è sono era erano"),
    pronouns=_words("io lui lei questo quello così non sì dove chi"),
    open_endings=("vorrei", "voglio", "ho bisogno", "per esempio", "ad esempio", "cioè", "mi chiamo", "mi piacerebbe"),
    closed_endings=("è tutto", "basta così", "grazie", "grazie mille", "arrivederci", "per favore"),
    complete=("anche io", "dimmi perché"),
    digits=_words("zero uno due tre quattro cinque sei sette otto nove"),
    code_nouns=_words("numero telefono codice carta conto iban postale pin"),
    yes_no=_words("sì si no certo esatto giusto forse va ok"),
    question_words=_words("cosa cos'è chi dove quando perché come quale quali quanto quanta quanti quante"),
    alternatives=_words("o oppure"),
    counted=("quanto", "quanta", "quanti", "quante", "che ora", "che ore", "che anno"),
    spelled=_words("compitare lettera lettere sillabare"),
    listed=("lista", "elenco", "cos'altro"),
)
_DUTCH = TurnWords(
    common=_words("de het een en is ik niet dat van je we met voor zijn maar wat mijn ook naar"),
    open_words=_words(
        "en of maar omdat want hoewel terwijl zodat als de een mijn jouw onze hun van met zonder tegen tussen naar voor heel "
        "erg eh ehm uh uhm hmm"
    ),
    to_be=_words("is zijn was waren heet"),
    pronouns=_words("ik jij je hij zij ze het dat dit wij we zo er hier niet wat wie"),
    open_endings=("ik wil graag", "ik zou graag", "ik wil", "ik heb", "bijvoorbeeld", "even kijken", "ik bedoel"),
    closed_endings=("dat is alles", "dat was het", "dank je", "dank u", "bedankt", "dankjewel", "tot ziens", "alsjeblieft"),
    complete=("waar is dat voor",),
    digits=_words("nul een één twee drie vier vijf zes zeven acht negen"),
    code_nouns=_words("nummer telefoonnummer code postcode pincode kaart rekening iban"),
    yes_no=_words("ja nee jawel zeker precies klopt oké ok graag misschien niet"),
    question_words=_words("wat wie waar wanneer waarom hoe welke welk hoeveel waarheen"),
    alternatives=_words("of"),
    counted=("hoeveel", "hoe oud", "hoe lang", "hoe ver", "hoe vaak", "hoe laat", "welk jaar"),
    spelled=_words("spellen spel letter letters"),
    listed=("lijst", "wat nog meer"),
)
_PORTUGUESE = TurnWords(
    common=_words("o a os que e não um uma de para com eu você é se do da em por está meu"),
    open_words=_words(
        "e ou mas porque embora pois que se o a os as um uma uns umas de do da dos das ao à no na nos nas em com sem por pelo "
        "pela para até entre sobre meu minha meus minhas seu sua nosso nossa muito hum ahn"
    ),
    to_be=_words("é são era eram está estão"),
    pronouns=_words("ele ela isso isto assim não sim já que quem como onde"),
    open_endings=(
        "eu gostaria",
        "gostaria",
        "eu quero",
        "queria",
        "preciso",
        "por exemplo",
        "quer dizer",
        "ou seja",
        "deixa ver",
    ),
    closed_endings=("é tudo", "é só isso", "só isso", "obrigado", "obrigada", "muito obrigado", "tchau", "por favor"),
    complete=("acho que sim", "acho que não"),
    digits=_words("zero um dois três quatro cinco seis meia sete oito nove"),
    code_nouns=_words("número telefone código cartão conta iban postal cep pin"),
    yes_no=_words("sim não claro certo exato isso talvez ok"),
    question_words=_words("quê quem onde quando como qual quais quanto quanta quantos quantas porquê"),
    alternatives=_words("ou"),
    counted=("quanto", "quanta", "quantos", "quantas", "que horas", "que ano"),
    spelled=_words("soletrar soletre letra letras"),
    listed=("lista", "que mais"),
)

TURN_WORDS: Mapping[str, TurnWords] = MappingProxyType(
    {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH, "es": _SPANISH, "it": _ITALIAN, "nl": _DUTCH, "pt": _PORTUGUESE}
)
"""By the language's ISO 639-1 code."""


_TELL_TALE = MappingProxyType({code: table.tell_tale for code, table in TURN_WORDS.items()})
_ALL_WORDS = MappingProxyType({code: table.all_words for code, table in TURN_WORDS.items()})
_SURE = 3
"""So many words of one language, where none at all is of the one that was expected, are somebody who speaks another one."""


def likely_languages(words: tuple[str, ...], expected: str = "") -> tuple[str, ...]:
    """Those of ``TURN_WORDS`` of which most of these words, in lower case, are: several where as many are; none without any.

    ``expected``, a language's code, is the answer unless the words say plainly that it is another one.
    """
    hits = _hits(words, _ALL_WORDS)
    most = max(hits.values())
    if expected and (hits.get(expected, 1) or most < _SURE):
        return (expected,)
    return tuple(code for code in hits if hits[code] == most) if most else ()


def guess_language(words: tuple[str, ...]) -> str:
    """The language of ``TURN_WORDS`` that most of these words, in lower case, tell; empty where two have as many."""
    hits = _hits(words, _TELL_TALE)
    best, second = sorted(hits, key=hits.__getitem__)[:-3:-1]
    return best if hits[best] > hits[second] else ""


def _hits(words: tuple[str, ...], known: Mapping[str, frozenset[str]]) -> dict[str, int]:
    parts = [part for word in words for part in word.split("-")]
    return {code: sum(part in table for part in parts) for code, table in known.items()}
