"""Beam search as one compiled loop, and the gradient of the best score by the model's weights.

    python examples/beam_search.py [--width 4] [--backend llvm] [--seed 0]

A small language model over a handful of tokens gives the next token's logits for the last two.
Beam search keeps the `width` best beginnings, extends each by every token, and keeps the best again
(`top_k`), until all of them have ended or are full: `irf.while_loop`. The best score is the sum of
the log-probabilities along the best sentence. Its gradient by the logits is taken through the whole
search, and has a closed form: how often each token was taken, minus how often that was to be
expected.

Expected outcome: the search finds what trying all sentences finds; the gradients agree to 1e-12.
"""

import argparse
import itertools

import numpy as np

import irflow as irf
import irflow.numpy as inp
from irflow import nn

TOKENS = ".abcd"
END = 0  # the token that ends a sentence, and stands before its beginning
LENGTH = 5


def search(logits, width, length=LENGTH):
    """The best sentences for `logits[before, last, next]`.

    Returns:
        `i64[width, length]` tokens, filled up with `END`, and `[width]` scores, descending.
    """
    count = logits.shape[-1]
    # What has ended goes on with END at no cost.
    ended = inp.where(inp.arange(count) == END, 0.0, -inp.inf)

    def goes_on(carry):
        position, tokens, _ = carry
        is_open = (position == 0) | inp.any(tokens[:, position - 1] != END)
        return (position < length) & is_open

    def extend(carry):
        position, tokens, scores = carry
        before = inp.where(position > 1, tokens[:, position - 2], END)
        last = inp.where(position > 0, tokens[:, position - 1], END)
        has_ended = (position > 0) & (last == END)
        steps = inp.where(has_ended[:, None], ended, nn.log_softmax(logits[before, last]))
        scores, chosen = inp.top_k((scores[:, None] + steps).reshape(-1), width)
        is_place = inp.arange(length) == position
        tokens = inp.where(is_place, (chosen % count)[:, None], tokens[chosen // count])
        return position + 1, tokens, scores

    # Only one beginning counts at first: equal ones would stay equal.
    scores = inp.where(inp.arange(width) == 0, 0.0, -inp.inf).astype(logits.dtype)
    tokens = inp.full((width, length), END)
    _, tokens, scores = irf.while_loop(goes_on, extend, (0, tokens, scores))
    return tokens, scores


def best_score(logits, width):
    """The score of the best sentence, and the sentence."""
    tokens, scores = search(logits, width)
    return scores[0], tokens[0]


def sentences(count, length):
    """All there are: tokens until `END` or as many as fit, filled up with `END`."""
    for tokens in itertools.product(range(count), repeat=length):
        first = tokens.index(END) if END in tokens else length
        if not any(tokens[first:]):
            yield tokens


def taken(tokens):
    """The places in the logits that a sentence reads."""
    before, last = END, END
    for token in tokens:
        yield before, last, int(token)
        before, last = last, token
        if token == END:
            return


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def exhaustive(logits, length=LENGTH):
    """The best sentence and its score, by trying all."""
    steps = log_softmax(logits)

    def score(tokens):
        return sum(steps[place] for place in taken(tokens))

    best = max(sentences(logits.shape[-1], length), key=score)
    return best, score(best)


def closed_form(logits, tokens):
    """The gradient of a sentence's score: what was taken, minus what was to be expected."""
    gradient, probabilities = np.zeros_like(logits), np.exp(log_softmax(logits))
    for before, last, token in taken(tokens):
        gradient[before, last, token] += 1
        gradient[before, last] -= probabilities[before, last]
    return gradient


def model(seed):
    """Random logits in which ending is less likely than going on."""
    logits = np.random.default_rng(seed).normal(0, 2, (len(TOKENS),) * 3)
    logits[..., END] -= 2
    return logits


def text(tokens):
    words, end, _ = "".join(TOKENS[token] for token in tokens).partition(TOKENS[END])
    return words + end


def main() -> None:
    parser = argparse.ArgumentParser(description="Beam search in a small language model.")
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--backend", help="numpy or llvm; the default backend if not given")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    logits, width = model(options.seed), options.width
    compiled = irf.jit(lambda logits: search(logits, width), backend=options.backend)
    for tokens, score in zip(*map(np.asarray, compiled(logits)), strict=True):
        print(f"{score:9.4f}  {text(tokens)}")
    tokens, score = exhaustive(logits)
    print(f"by trying all: {score:.4f}  {text(tokens)}")

    differentiate = irf.value_and_grad(lambda logits: best_score(logits, width), has_aux=True)
    (score, tokens), gradient = irf.jit(differentiate, backend=options.backend)(logits)
    expected = closed_form(logits, np.asarray(tokens))
    print(f"best score: {float(score):.4f}  {text(np.asarray(tokens))}")
    print(f"error of the gradient: {np.abs(np.asarray(gradient) - expected).max():.1e}")


if __name__ == "__main__":
    main()
