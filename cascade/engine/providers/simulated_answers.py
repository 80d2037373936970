"""What the simulated provider says: a small table of answers by subject, and how to find the subject of a prompt."""

import re
from collections.abc import Mapping
from fractions import Fraction

__all__ = ["ANSWERS", "CODE", "cut_code", "subject_of", "sum_in", "topic_of", "worked_sum"]

CUES: Mapping[str, tuple[str, ...]] = {
    "code": ("python", "function", "code", "javascript", "sql", "bug", "regex", "class", "algorithm", "script", "def ", "```"),
    "medical": ("patient", "dose", "dosage", "symptom", "diagnos", "treatment", "medication", "blood", "mg", "doctor", "disease"),
    "legal": ("contract", "clause", "court", "liability", "law", "legal", "statute", "tenant", "gdpr", "agreement", "lawsuit"),
    "math": ("calculate", "equation", "solve", "probability", "integral", "derivative", "percent", "how many", "how much", "sum of"),
}
"""In order of precedence between equals; a prompt without any cue is general."""

ANSWERS: Mapping[str, tuple[str, ...]] = {
    "general": (
        "Here is a short answer about {topic}. The main point is that {topic} works best when the goal is clear from the start. "
        "First, write down what you want to reach. Second, compare the two or three usual ways and choose the simplest that reaches it. "
        "Third, check the result after a few days and adjust.",
        "In brief, {topic} comes down to three things: what it is for, what it costs, and who looks after it. Most people start small, "
        "learn from the first weeks, and extend it when it has proved useful. For {topic} in particular, keep notes of what worked.",
        "There are good reasons to look at {topic} from two sides. On one side it saves time, because the steps repeat. On the other side "
        "it needs some care at the beginning. Taken together, {topic} pays off when it is used often.",
    ),
    "medical": (
        "About {topic}: the usual approach begins with the history and an examination, followed by the tests that these suggest. Treatment "
        "depends on the cause, on age, on kidney and liver function and on other medicines taken. A doctor or pharmacist should confirm "
        "any dose for {topic} before it is used.",
        "For {topic}, guidelines advise first to rule out the dangerous causes, then to treat what is likely, and to look again after two "
        "to three days. Warning signs that need urgent care are chest pain, trouble breathing, confusion and a fever that does not fall.",
    ),
    "legal": (
        "On {topic}: what counts first is the wording of the agreement, read as a whole, and then the law that governs it. A clause is "
        "usually enforceable when it is clear, was agreed by both sides and does not break mandatory law. For {topic}, keep written "
        "evidence and mind the time limits; a lawyer admitted in your country should check the final step.",
        "In most jurisdictions {topic} turns on three questions: was there a duty, was it broken, and did that cause the loss. The party "
        "that claims must prove all three. The contract may limit liability, except for intent and, often, for gross negligence.",
    ),
    "math": (
        "Let us solve {topic} step by step. First, name the unknown x and write what is given as an equation. Second, bring x to one side. "
        "Third, put the result back into the equation to check it. Each step keeps both sides equal, so the result holds for {topic}.",
        "For {topic}, start from the definition, replace each known quantity by its value and simplify. The last line is the result; "
        "putting it into the first line confirms it.",
    ),
}  # fmt: skip

CODE: Mapping[str, str] = {
    "prime": "def is_prime(n: int) -> bool:\n    if n < 2:\n        return False\n"
    "    return all(n % d for d in range(2, int(n**0.5) + 1))\n\n\nprint(is_prime(97))",
    "fibonacci": "def fibonacci(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n"
    "    return a\n\n\nprint(fibonacci(10))",
    "factorial": "def factorial(n: int) -> int:\n    result = 1\n    for k in range(2, n + 1):\n        result *= k\n"
    "    return result\n\n\nprint(factorial(5))",
    "palindrome": "def is_palindrome(text: str) -> bool:\n    letters = [c.lower() for c in text if c.isalnum()]\n"
    "    return letters == letters[::-1]\n\n\nprint(is_palindrome('Never odd or even'))",
    "reverse": "def reverse(text: str) -> str:\n    return text[::-1]\n\n\nprint(reverse('gateway'))",
    "sort": "def sort_numbers(numbers: list[int]) -> list[int]:\n    return sorted(numbers)\n\n\nprint(sort_numbers([3, 1, 2]))",
    "sum": "def total(numbers: list[int]) -> int:\n    return sum(numbers)\n\n\nprint(total([1, 2, 3]))",
    "": "def solve(items: list[str]) -> dict[str, int]:\n    counts: dict[str, int] = {}\n    for item in items:\n"
    "        counts[item] = counts.get(item, 0) + 1\n    return counts\n\n\nprint(solve(['a', 'b', 'a']))",
}
"""Python by a word of the prompt; the empty word matches every prompt."""

FILLER_WORDS = (
    "a about above after all also an and any are as at be because between but by can could do does each explain for from give had has "
    "have how i if in into is it its just like make me more most my no not of on one or our out please should show so some tell than that "
    "the their them then there these they this to up use using want was we were what when where which who why will with would write you "
    "your answer question describe help need short brief"
)
FILLER = frozenset(FILLER_WORDS.split())
NUMBER = r"(-?\d{1,12}(?:\.\d{1,6})?)"
SIGN = r"(?:\s*(\+|\*|×|÷)\s*|\s+(-|−|x|/|plus|minus|times|multiplied by|divided by)\s+)"
SUM = re.compile(r"(?<![\w.])" + NUMBER + SIGN + NUMBER + r"(?![\w])", re.IGNORECASE)
SIGNS = {"plus": "+", "minus": "-", "−": "-", "times": "*", "multiplied by": "*", "×": "*", "x": "*", "÷": "/", "divided by": "/"}


def subject_of(prompt: str) -> str:
    """Return the subject whose cues occur most often."""
    text = prompt.lower()
    counts = {subject: sum(text.count(cue) for cue in cues) for subject, cues in CUES.items()}
    best = max(counts, key=lambda subject: counts[subject])
    return best if counts[best] else "general"


def topic_of(prompt: str) -> str:
    """Return up to four telling words of the prompt in their order, for the answer to speak of."""
    words = [word for word in re.findall(r"[^\W\d_][\w'-]+", prompt[:2000]) if word.lower() not in FILLER]
    return " ".join(dict.fromkeys(words[:4])) or "your question"


def sum_in(prompt: str) -> tuple[Fraction, str, Fraction] | None:
    """Return the first sum of two numbers in the prompt as (left, one of + - * /, right)."""
    found = SUM.search(prompt)
    if found is None:
        return None
    sign = (found[2] or found[3]).lower()
    sign = SIGNS.get(sign, sign)
    right = Fraction(found[4])
    return None if sign == "/" and right == 0 else (Fraction(found[1]), sign, right)


def worked_sum(left: Fraction, sign: str, right: Fraction, *, slip: bool) -> str:
    """Return the sum with its way and result; with a slip in it when a weak model is to be caught."""
    result = {"+": left + right, "-": left - right, "*": left * right, "/": left / right if right else left}[sign]
    shown = plain(result + 1 if slip else result)
    task = f"{plain(left)} {sign} {plain(right)}"
    return f"We work out {task}.\n\n{task} = {shown}\n\nThe answer is {shown}."


def plain(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.10g}"


def cut_code(code: str) -> str:
    """Return the code broken as a careless model breaks it: without the colon of its first line."""
    return code.replace(":\n", "\n", 1)
