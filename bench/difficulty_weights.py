"""Constants of `strong_model_gain`, written by bench/fit_difficulty.py: quality (0 to 1) gained per unit measured."""

__all__ = ["WEIGHTS"]

WEIGHTS: dict[str, dict[str, float]] = {
    "options": {
        "log words": 0.0024,
        "log words an option": 0.0045,
        "options alike": 0.0837,
        "long words": -0.2819,
        "names": 0.0101,
        "intercept": 0.0648,
    },
    "quantities": {
        "log words": 0.1047,
        "log distinct words": 0.0538,
        "log numbers": -0.0209,
        "comparisons by factor": 0.0335,
        "comparisons": 0.0208,
        "decimals": -0.1212,
        "per cents": -0.0401,
        "fractions": 0.0277,
        "what is left": 0.0359,
        "profit and interest": 0.0451,
        "intercept": -0.3587,
    },
    "open": {
        "intercept": 0.1000,
        "math": 0.2500,
        "code": 0.2000,
        "data": 0.1000,
        "words of logic": 0.0800,
        "inventing": -0.1000,
        "numbers": 0.0200,
        "log words": 0.0100,
    },
}
