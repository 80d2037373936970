"""Is the draft in the language of the prompt?"""

from cascade.engine.quality.draft import Draft
from cascade.engine.values import Check

MIN_WORDS = 12
MIN_SHARE = 0.15

_FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split(" "))
    for language, words in {
        "English": "the and of to is that for with this are what you it be how in a",
        "German": "der die das und ist nicht ein eine zu mit wie ich auf den von sie f\u00fcr",
        "French": "le la les des et est une un dans pour que qui vous je pas du avec",
        "Spanish": "el los las y es una para que con por como del en se no un qu\u00e9",
        "Portuguese": "o os as e \u00e9 uma um para que com n\u00e3o por como do da em voc\u00ea",
        "Italian": "il lo gli e \u00e8 una un per che con non di sono del della come cosa",
        "Dutch": "de het een en van is niet dat met voor ik zijn op te wat hoe je",
    }.items()
}
_LANGUAGES_OF: dict[str, tuple[int, ...]] = {
    word: tuple(number for number, words in enumerate(_FUNCTION_WORDS.values()) if word in words)
    for word in frozenset().union(*_FUNCTION_WORDS.values())
}
"""Which languages a function word belongs to, by their places in _FUNCTION_WORDS."""
_SCRIPTS = (
    ("Cyrillic", 0x0400, 0x052F), ("Greek", 0x0370, 0x03FF), ("Hebrew", 0x0590, 0x05FF), ("Arabic", 0x0600, 0x06FF),
    ("Devanagari", 0x0900, 0x097F), ("Thai", 0x0E00, 0x0E7F), ("kana", 0x3040, 0x30FF), ("Han", 0x4E00, 0x9FFF), ("Hangul", 0xAC00, 0xD7AF),
)
_SCRIPT_FAMILY = {"kana": "Japanese or Chinese", "Han": "Japanese or Chinese"}
_ASKS_FOR_LANGUAGE = frozenset({
    "translate", "translation", "translated", "language", "english", "german", "deutsch", "french", "fran\u00e7ais", "spanish",
    "espa\u00f1ol", "italian", "portuguese", "dutch", "chinese", "japanese", "korean", "russian", "arabic", "hindi", "greek", "latin",
    "hebrew", "polish", "turkish", "swedish", "ukrainian", "vietnamese", "thai",
})
_ALL_FUNCTION_WORDS = frozenset(_LANGUAGES_OF)
_NAMES = tuple(_FUNCTION_WORDS)
_PASSED = Check(name="language", score=1.0)


def _script_of(text: str) -> str:
    """Return the non-Latin script of a third of the letters in the first 300 characters, or ""."""
    sample = text[:300]
    if sample.isascii():
        return ""
    letters = [ord(char) for char in sample if char > "\u036f" and char.isalpha()]
    if 3 * len(letters) <= sum(map(str.isalpha, sample)):
        return ""
    for name, low, high in _SCRIPTS:
        if 2 * sum(low <= code <= high for code in letters) > len(letters):
            return _SCRIPT_FAMILY.get(name, name)
    return ""


def _language_of(words: list[str], present: frozenset[str]) -> str:
    """Return the European language whose function words make up most of `words`, or "" when none reaches 15 %."""
    if len(words) < MIN_WORDS:
        return ""
    distinct = [0] * len(_FUNCTION_WORDS)
    for word in present & _ALL_FUNCTION_WORDS:
        for number in _LANGUAGES_OF[word]:
            distinct[number] += 1
    second, first = sorted(distinct)[-2:]
    if first < 2 * second or first < max(3, MIN_SHARE * min(len(words), 40)):
        return ""
    return _NAMES[distinct.index(first)]


def check_language(draft: Draft) -> Check:
    """Fail a draft in another script, or clearly in another language, than the prompt; not when the prompt speaks of languages.

    Both must be long enough to tell (12 words); code and short answers pass.
    """
    if draft.prompt_word_set & _ASKS_FOR_LANGUAGE or draft.calls_tools:
        return _PASSED
    asked, given = _script_of(draft.prompt), _script_of(draft.stripped)
    if asked != given and len(draft.stripped) >= 20:
        reason = f"The prompt is in {asked or 'Latin'} script, the draft in {given or 'Latin'} script"
        return Check(name="language", score=0.0 if given else 0.4, reason=reason)
    if given:
        return _PASSED
    given = _language_of(draft.words, draft.word_set)
    asked = _language_of(draft.prompt_words, draft.prompt_word_set) if given else ""
    if asked and asked != given:
        return Check(name="language", score=0.0, reason=f"The prompt is in {asked}, the draft in {given}")
    return _PASSED
