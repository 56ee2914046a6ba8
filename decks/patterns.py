"""Which digits can begin a number of a given pattern.

libphonenumber describes the numbers of a country by regular expressions over
digits, such as ``80[08]\\d{7}|800\\d{6}``. Python's `re` can say whether a whole
number matches, but a deck needs the prefixes: whether a number that begins
with "80" could still match. So the expressions are turned into automata here.

The metadata uses a small part of the language: digits, ``\\d``, classes, groups,
alternation, ``?`` and ``{m,n}``. Anything else is refused, not guessed.
"""

from functools import lru_cache

_ALL = frozenset("0123456789")
_END = 0  # the one accepting node of every automaton


class Automaton:
    """A pattern whose matches are followed digit by digit.

    A state is a frozenset of nodes; the empty one is dead. Every node leads to
    the end, so a state that is not empty always has a match ahead of it.
    """

    def __init__(self, pattern):
        self._edges = [None]  # node -> (digits, next node), or a tuple of nodes reached without a digit
        tree, rest = _alternatives(pattern, 0)
        if rest != len(pattern):
            raise ValueError(f"unexpected {pattern[rest]!r} in pattern {pattern!r}")
        self.start = self._closure({self._compile(tree, _END)})

    def step(self, state, digit):
        """The state after one more digit."""
        reached = set()
        for node in state:
            edge = self._edges[node]
            if node != _END and isinstance(edge[0], frozenset) and digit in edge[0]:
                reached.add(edge[1])
        return self._closure(reached)

    @staticmethod
    def matched(state):
        """Whether the digits read so far are a whole match."""
        return _END in state

    def _node(self, edge):
        self._edges.append(edge)
        return len(self._edges) - 1

    def _compile(self, tree, then):
        """Adds the nodes of `tree`, leading on to `then`, and answers the first."""
        kind = tree[0]
        if kind == "digits":
            return self._node((tree[1], then))
        if kind == "sequence":
            for part in reversed(tree[1]):
                then = self._compile(part, then)
            return then
        if kind == "either":
            return self._node(tuple(self._compile(part, then) for part in tree[1]))
        _, part, least, most = tree
        tail = then
        for _ in range(most - least):
            tail = self._node((self._compile(part, tail), then))
        for _ in range(least):
            tail = self._compile(part, tail)
        return tail

    def _closure(self, nodes):
        seen, waiting = set(), list(nodes)
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            edge = self._edges[node]
            if node != _END and not isinstance(edge[0], frozenset):
                waiting.extend(edge)
        return frozenset(n for n in seen if n == _END or isinstance(self._edges[n][0], frozenset))


@lru_cache(maxsize=None)
def automaton(pattern):
    """The automaton of a pattern, made once."""
    return Automaton(pattern)


def _alternatives(text, at):
    branches = []
    while True:
        branch, at = _sequence(text, at)
        branches.append(branch)
        if at == len(text) or text[at] != "|":
            break
        at += 1
    return (branches[0] if len(branches) == 1 else ("either", branches)), at


def _sequence(text, at):
    parts = []
    while at < len(text) and text[at] not in "|)":
        part, at = _atom(text, at)
        part, at = _repeated(text, at, part)
        parts.append(part)
    return ("sequence", parts), at


def _atom(text, at):
    char = text[at]
    if char in _ALL:
        return ("digits", frozenset(char)), at + 1
    if text.startswith("\\d", at):
        return ("digits", _ALL), at + 2
    if char == "[":
        end = text.index("]", at)
        return ("digits", _members(text[at + 1:end])), end + 1
    if char == "(":
        inside = at + 3 if text.startswith("(?:", at) else at + 1
        group, end = _alternatives(text, inside)
        if end < len(text) and text[end] == ")":
            return group, end + 1
    raise ValueError(f"unexpected {char!r} in pattern {text!r}")


def _members(text):
    members, at = set(), 0
    while at < len(text):
        if at + 2 < len(text) and text[at + 1] == "-":
            members.update(str(d) for d in range(int(text[at]), int(text[at + 2]) + 1))
            at += 3
        else:
            members.add(str(int(text[at])))
            at += 1
    return frozenset(members)


def _repeated(text, at, part):
    if at < len(text) and text[at] == "?":
        return ("repeat", part, 0, 1), at + 1
    if at < len(text) and text[at] == "{":
        end = text.index("}", at)
        least, _, most = text[at + 1:end].partition(",")
        return ("repeat", part, int(least), int(most or least)), end + 1
    return part, at
