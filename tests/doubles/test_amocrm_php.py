"""Form bodies as PHP writes them: what the amoCRM stand-in sends."""

from __future__ import annotations

from .amocrm_php import encoded


def test_the_body_is_what_php_writes():
    tree = {"a": {"b c": [True, False, None, 1.5, "ё~+&[]"]}, "e": [], "d": {"x": ["1", "2"]}}
    assert encoded(tree) == (
        b"a%5Bb+c%5D%5B0%5D=1&a%5Bb+c%5D%5B1%5D=0&a%5Bb+c%5D%5B3%5D=1.5&a%5Bb+c%5D%5B4%5D=%D1%91%7E%2B%26%5B%5D"
        b"&d%5Bx%5D%5B0%5D=1&d%5Bx%5D%5B1%5D=2"
    )
    assert encoded({"d": {"x y": ["1 2"]}}, "raw", "%20") == b"d[x%20y][0]=1%202"
    assert encoded({"d": {"x": ["1", "2"], "y": [{"z": 3}]}}, "no index") == b"d[x][]=1&d[x][]=2&d[y][0][z]=3"
