"""Renders small templates of our own with jinja2 as transformers sets it up: make_constructs.py, writes constructs.json beside it.
Made with jinja2 3.1.6 and transformers 5 (see "versions" in the file). Needs: pip install jinja2 transformers."""
import json
from pathlib import Path

import jinja2
import transformers
from transformers.utils import chat_template_utils

CONTEXT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": " Zoë's \"dog\" 👩🏽‍🚀 <b>\n"},
        {"role": "assistant", "content": "Woof.", "n": 3},
    ],
    "d": {"b": 1, "A": [1, 2.5, None, True], "c": {"x": "y's", "é": "\u2028"}, "items": "own"},
    "l": [3, 1, 2, 3],
    "words": ["pear", "Fig", "apple", "fig"],
    "rows": [{"k": "x", "v": 2, "in": {"z": 1}}, {"k": "Y", "v": 1, "in": {"z": 2}}, {"k": "x", "v": 3}],
    "s": "Hello, World",
    "u": "aé日👍b",
    "big": 2**70,
    "f": 2.5,
    "tree": [{"n": "a", "c": [{"n": "b", "c": []}, {"n": "c", "c": [{"n": "d", "c": []}]}]}],
    "empty": [],
    "nul": None,
}

EXPRESSIONS = r"""
1 + 2 * 3 ** 2
2 ** 3 ** 2
-2 ** 2
- 2 | abs
7 // 2 ~ ' ' ~ (-7) // 2 ~ ' ' ~ 7 // -2 ~ ' ' ~ -7 // -2
7 % 3 ~ ' ' ~ (-7) % 3 ~ ' ' ~ 7 % -3 ~ ' ' ~ (-7) % -3
7.5 // 2 ~ ' ' ~ (-7.5) // 2 ~ ' ' ~ 7.5 % -2 ~ ' ' ~ (-0.0)
6 / 2 ~ ' ' ~ 7 / 2 ~ ' ' ~ 1 / 3
1e16 ~ ' ' ~ 1e15 ~ ' ' ~ 123456789012345678.0 ~ ' ' ~ 1e-5 ~ ' ' ~ 0.0001 ~ ' ' ~ 1.5e300
0.1 + 0.2
100000000000000000000 + 1
big * big
big / 3
2 ** -1
2 ** 0.5
10 ** 20
[True + 1, True * 'a', -True, +True, true / 2, true // 1]
[1 == 1.0, 1 == True, '1' == 1, none == false, 0.1 + 0.2 == 0.3, 2**53 == 2.0**53, 2**53 + 1 == 2.0**53]
[1 < 2 < 3, 1 < 3 < 2, 1 < 1.5, 2 >= 2.0, 1 != 2 != 1, 3 > 2 >= 2]
[[1, 2] < [1, 3], 'a' < 'B', (1, 2) == [1, 2], [1] < [1, 0], [[1, 'a'], [1]] | sort, 'é' > 'z', '\uffff' < '👍']
'é' < '日' < '👍'
1 < 'a'
none < 1
'a' + 1
1 + 'a'
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'x'] ~ {'a': none}
'a' 'b' "c"
'a' * 3 ~ [1] * 2 ~ (1,) * 2 ~ 'a' * -1
[[1] + [2], (1,) + (2,), [] + []]
[1] + (2,)
['ell' in s, 'x' not in s, 3 in l, 3.0 in l, true in l, 'b' in d, 1 in d.values(), ('b', 1) in d.items(), 'b' in d.keys(), 4 in range(0, 9, 2), 5 in range(0, 9, 2), 4.0 in range(9), none in [none], '' in '']
1 in 'a'
1 in none
undef in [1]
1 in undef
undef == undef2
undef ~ 'x'
undef.x
undef + 1
undef < 1
undef | length
undef | default('z') ~ none | default('z') ~ none | default('z', true) ~ '' | default('q', boolean=true)
[undef is defined, undef is undefined, none is defined, l[99] is defined, undef == none]
not undef
not not 1
not not not 1
d.b ~ d['b'] ~ d.get('b') ~ d.get('q') ~ d.get('q', 5)
[d.items is callable, d['items']]
d.nope
d.nope.deeper
d['nope'] is defined
d.keys() | list ~ d.values() | list ~ d.items() | list
d.keys() ~ d.values() ~ d.items()
d | items | list
l[0] ~ l[-1] ~ l[1:] ~ l[:-1] ~ l[::-1] ~ l[::2] ~ l[-2:] ~ l[5:]
l[10]
l[10] is defined
l['x'] is defined
l[1.0] is defined
l[true]
u[0] ~ u[3] ~ u[-1] ~ u[1:4] ~ u[::-1] ~ u[4:1:-1] ~ u[:100] ~ u[-2:]
u | length ~ ' ' ~ l | length ~ ' ' ~ d | length ~ ' ' ~ range(5) | length
3 | length
none | length
(1, 2, 3)[1] ~ (1,) ~ () ~ (1)
range(3) ~ range(1, 10, 3) ~ range(5)[1:3] ~ range(5)[-1] ~ range(10, 0, -3) | list
'%s and %d and %5.2f|%-5s|%05d|%x|%r|%%' % ('a', 3, 2.345, 'b', 42, 255, 'q')
'%(a)s-%(b)s' % {'a': 1, 'b': 2}
'%s' % 'x' ~ '%s' % 5
'%s %s' % 'x'
'%s' % (1, 2)
'%d' % 'x'
'%5s|%-5s|%.2s' % ('a', 'b', 'xyz')
'%+d % d %e %g %G %o %X %#x' % (1, 2, 12345.678, 1e-10, 1e20, 8, 255, 255)
'%c%c' % (65, 'z')
'%s' | format(1) ~ '%(x)s' | format(x=2)
'{} {}'.format(1, 'a') ~ '{1}{0}'.format('a', 'b') ~ '{x}'.format(x=3) ~ '{{}}'.format()
'{0.role} {0[content]}'.format(messages[0]) ~ '{:>5}|{:<5}|{:^5}|{:*^7}|'.format('a', 'b', 'c', 'd')
'{:05d} {:x} {:,} {:.3f} {:e} {:g} {:%} {:+} {:b}'.format(42, 255, 1234567, 3.14159, 12345.678, 0.00001, 0.25, 3, 5)
'{!r} {!s}'.format('a', 'b') ~ '{:{}}|'.format('x', 4) ~ '{:.2}'.format('abc') ~ '{:#x}'.format(255)
'{:10.4} {:g} {:g} {:g}'.format(3.14159, 1e6, 1e5, 123456789.0)
'{:.3} {:.1} {}'.format(1234.5, 5.0, 1e22)
'{:_} {:08,.2f} {:<+8.1f}|'.format(1000000, 1234.5, 2.25)
'{:d}'.format('x')
'{}'.format()
'{x}'.format(y=1)
'{' .format()
s.upper() ~ s.lower() ~ s.swapcase() ~ s.title() ~ s.capitalize() ~ s.casefold()
'they\'re bill\'s'.title() ~ ' ' ~ 'they\'re o-k (x) [y]' | title ~ ' ' ~ 'ß'.upper() ~ 'ΑΣ'.lower() ~ 'ǆ'.title()
'ß' | capitalize ~ 'HELLO wORLD' | capitalize
'  x '.strip() ~ '|' ~ '  x '.lstrip() ~ '|' ~ '  x '.rstrip() ~ '|' ~ 'xxaxx'.strip('x') ~ '\u00a0\u2003y\x1c' | trim
'a,b,,c'.split(',') ~ 'a,b,,c'.split(',', 1) ~ 'a,b,,c'.rsplit(',', 1) ~ ' a  b '.split() ~ ' a  b c '.split(none, 1) ~ ' a  b c '.rsplit(None, 1)
[''.split(), ''.split(','), '  '.split(), '  '.split(' '), 'aXX'.split('X')]
'abc'.split('')
'aXbXc'.split('X', maxsplit=1) ~ 'a b'.split(sep=' ')
'a\nb\r\nc\x0bd\n'.splitlines() ~ 'a\nb\n'.splitlines(true) ~ 'a\n'.splitlines(keepends=True)
'a-b-c'.partition('-') ~ 'a-b-c'.rpartition('-') ~ 'abc'.partition('-') ~ 'abc'.rpartition('-')
'aaaa'.replace('a', 'b') ~ 'aaaa'.replace('a', 'b', 2) ~ 'ab'.replace('', '-') ~ 'ab'.replace('', '-', 2) ~ 'é👍'.replace('', '.')
'hello'.startswith('he') ~ 'hello'.startswith(('x', 'h')) ~ 'hello'.endswith('lo') ~ 'hello'.startswith('l', 2) ~ 'hello'.endswith('l', 0, 3) ~ ''.startswith('')
'hello'.find('l') ~ 'hello'.rfind('l') ~ 'hello'.find('z') ~ 'hello'.index('l') ~ u.find('b') ~ 'hello'.count('l') ~ 'aaa'.count('aa') ~ 'abc'.count('')
'hello'.index('z')
'a'.center(4, '*') ~ 'ab'.center(5) ~ '|' ~ 'a'.ljust(3) ~ '|' ~ 'a'.rjust(3, '-') ~ '-4'.zfill(5) ~ 'x' | center(4) ~ '|'
'a'.removeprefix('a') ~ 'abc'.removesuffix('bc') ~ 'abc'.removeprefix('x')
','.join(['a', 'b']) ~ ''.join('xyz') ~ '-'.join({'k': 1, 'l': 2})
','.join([1])
'a\tb'.expandtabs() ~ 'a\tb'.expandtabs(4) ~ 'ab\n\tc'.expandtabs(2)
'abc'.isalpha() ~ 'a1'.isalnum() ~ '12'.isdigit() ~ '²'.isdigit() ~ '½'.isnumeric() ~ '½'.isdigit() ~ '١'.isdecimal() ~ ''.isalpha() ~ ' '.isspace() ~ 'aB'.islower() ~ 'AB'.isupper() ~ 'Ab Cd'.istitle() ~ 'x_1'.isidentifier() ~ 'é'.isascii() ~ '\n'.isprintable()
'abc'.nope
'abc'.nope()
'abc'()
l.append(4)
d.update({})
d.pop('b')
l.append
l.index(2) ~ l.count(3) ~ l.copy()
l.index(9)
d.copy()
'it\'s' ~ ['it\'s', "say \"x\"", 'both \' and "', 'nl\n\t\\', '\x07\x7f\xad\u200b\ue000\U000e0001é日👍']
[1.0, 1e100, -0.0, true, none, (1,), {}, [], ()]
{'a': 1, 2: 'b', none: true, (1, 2): 3.5}
{1: 'a', 1.0: 'b', true: 'c'}
{[1]: 2}
{'a': 1}['a'] ~ {'a': {'b': 2}}.a.b ~ {2: 3}[2.0]
l | sort ~ l | sort(reverse=true) ~ words | sort ~ words | sort(case_sensitive=true) ~ words | sort(true)
rows | sort(attribute='v') | map(attribute='v') | list ~ rows | sort(attribute='k,v') | map(attribute='v') | list ~ rows | sort(attribute='k', reverse=true) | map(attribute='v') | list
[1, 'a'] | sort
d | dictsort ~ {'b': 1, 'A': 3, 'c': 2} | dictsort(by='value') ~ {'b': 1, 'A': 3} | dictsort(true) ~ {'b': 1, 'A': 3} | dictsort(reverse=true)
{'a': 1} | dictsort(by='x')
words | unique | list ~ words | unique(true) | list ~ rows | unique(attribute='k') | map(attribute='v') | list
words | map('upper') | list ~ words | map('replace', 'i', 'I') | list ~ rows | map(attribute='in.z', default='-') | list ~ [[1, 2], [3, 4]] | map(attribute=1) | list ~ [' a '] | map('trim') | first
[{'a': {'b': 1}}] | map(attribute='a.b') | list
[{'q': 1}] | map(attribute='a.b') | list
words | map('nope') | list
words | map | list
l | select('odd') | list ~ l | reject('odd') | list ~ l | select('>', 1) | list ~ l | select('in', [3]) | list ~ [0, 1, '', 'a', none] | select | list
[rows | selectattr('k', 'equalto', 'x') | map(attribute='v') | list, rows | rejectattr('v', 'lt', 3) | map(attribute='v') | list, rows | selectattr('in') | list | length, rows | selectattr('in', 'defined') | list | length, rows | rejectattr('in') | map(attribute='v') | first]
rows | selectattr('in.z', 'eq', 2) | list | length
none | selectattr('a') | list ~ undef | map('upper') | list ~ none | map(attribute='x') | list
3 | select | list
rows | groupby('k') | list
rows | groupby('in.z', default=0) | map('first') | list
l | first ~ l | last ~ l | min ~ l | max ~ l | sum ~ words | min ~ words | max ~ rows | sum(attribute='v') ~ rows | max(attribute='v')
[] | first ~ [] | last ~ [] | min ~ [] | sum ~ '|'
[1.5, 2] | sum ~ [1] | sum(start=10) ~ [[1], [2]] | sum(start=[])
['a'] | sum
l | join ~ l | join(', ') ~ rows | join('-', attribute='v') ~ [none, 1.0, true] | join('|') ~ 'abc' | join('.') ~ d | join(',')
l | reverse | list ~ 'abc' | reverse ~ u | reverse
l | batch(3) | list ~ l | batch(3, 'x') | list ~ l | slice(3) | list ~ l | slice(3, 'x') | list
'a\nb\n\nc' | indent ~ '|' ~ 'a\nb' | indent(2, true) ~ '|' ~ 'a\n\nb\n' | indent(width='>', first=true, blank=true) ~ '|' ~ 'a\r\nb\n' | indent
'abc def ghi' | truncate(8) ~ 'abc def ghi' | truncate(8, true, '…', 0) ~ 'abc def ghi' | truncate(5, leeway=0) ~ 'abc' | truncate(3)
'x' | replace('x', 'y') ~ 'xxx' | replace('x', 'y', 2) ~ 123 | replace(2, 'b') ~ none | upper ~ [1] | string ~ 5 | string
'12' | int ~ ' 12 ' | int ~ '12.7' | int ~ 'x' | int ~ 'x' | int(5) ~ '0x1f' | int(base=16) ~ '1f' | int(base=16) ~ 3.9 | int ~ true | int ~ none | int ~ '1_000' | int ~ '-5' | int ~ '' | int
'1.5' | float ~ 'x' | float ~ '1e3' | float ~ 2 | float ~ none | float(7) ~ 'inf' | float ~ 'nan' | float
42.55 | round ~ 42.55 | round(1) ~ 2.5 | round ~ 3.5 | round ~ 42 | round ~ 42.55 | round(1, 'floor') ~ 42.1 | round(method='ceil') ~ 1234 | round(-2) ~ 2.675 | round(2)
-5 | abs ~ -2.5 | abs ~ 'x' | wordcount ~ 'a b-c d_e' | wordcount
'<a href="x">\'&' | e ~ '<' | escape ~ ('<' | safe) ~ ('<' | safe | e) ~ ('<' | safe | forceescape)
('<b>' | safe) + '<i>' ~ '|' ~ '<i>' + ('<b>' | safe) ~ '|' ~ ('%s' | safe) % '<' ~ '|' ~ ('{}' | safe).format('<') ~ '|' ~ ('-' | safe).join(['<', 'x']) ~ ('<' | safe | upper) ~ ('a<' | safe).replace('a', '>')
['<' | safe]
'<p>a  b</p><!-- c --> d' | striptags
'a b/c?é&=' | urlencode ~ {'a': 'b c', 'd': '/'} | urlencode
d | tojson ~ '<>&\'"\\/\x07\x7f\u2028é👍' | tojson ~ [1.0, 1e22, none, true, (1, 2)] | tojson
d | tojson(indent=2)
[] | tojson(indent=2) ~ {} | tojson(indent=2) ~ [[], {}] | tojson(indent=1)
d | tojson(ensure_ascii=true) ~ '👍\x7f' | tojson(ensure_ascii=True)
{'b': 1, 'a': 2} | tojson(sort_keys=true) ~ [1, {'a': 2}] | tojson(separators=(',', ':')) ~ [1, 2] | tojson(indent='--', separators=(';', '='))
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
{(1, 2): 3} | tojson
undef | tojson
range(2) | tojson
(l | map('string')) | tojson
d.items() | tojson
1 is odd ~ 2 is even ~ 9 is divisibleby 3 ~ 9 is divisibleby(2) ~ 1 is integer ~ true is integer ~ 1.0 is float ~ 1 is number ~ true is number ~ 'a' is string ~ [] is iterable ~ {} is mapping ~ 'a' is iterable ~ 3 is iterable ~ none is none ~ true is boolean ~ true is true ~ 1 is true ~ false is false
'a' is sequence ~ [] is sequence ~ {} is sequence ~ d.items() is sequence ~ (l | map('abs')) is sequence ~ range(2) is sequence ~ 1 is sequence ~ undef is sequence ~ undef is iterable
'ab' is lower ~ 'AB' is upper ~ 'x' is in 'xyz' ~ 1 is in [1] ~ 1 is sameas 1 ~ none is sameas none ~ 1 is eq 1 ~ 2 is gt 1 ~ 'a' is ne 'b' ~ 1 is le 1 ~ 1 is lessthan 2 ~ range is callable ~ 1 is callable ~ 'upper' is filter ~ 'nope' is filter ~ 'odd' is test ~ ('x' | e) is escaped
1 is nope
1 | nope
[1 is not odd, not 1 is odd, 1 is not none, not none is none]
'a' if true else 'b' ~ ('a' if false)
('a' if false) is defined
'x' if l else 'y' if d else 'z'
namespace(a=1).a ~ namespace({'b': 2}).b ~ namespace(a=1).c ~ namespace(a=1)['a']
namespace(a=[1, 'x'])
dict(a=1, b=2) ~ dict([('x', 1)]) ~ dict({'q': 1}, r=2)
[1, 2, 3,] ~ (1, 2,) ~ {'a': 1,}
messages[1].content | trim | upper
messages | map(attribute='role') | join(',')
[messages[-1]['content'], messages[-1].n + 1]
messages[0]
'\x41\u00e9\U0001F44D\101\N{BULLET}\q\'\"' ~ "\t|\\\a\b\f\v\r\0\18"
0x1F ~ 0b101 ~ 0o17 ~ 1_000 ~ 1_0.5 ~ 1.5e3
l.0 ~ ' ' ~ rows.1.k
s | length > 5 and s.startswith('H') or false
0 or 'x' ~ (0 and 'x') ~ ('' or none) ~ (1 and 2)
[x for x in l]
'abc' | attr('upper') is callable ~ d | attr('b') is defined
range(100001) | length
range(0)
range(1, 2, 0)
cycler('a', 'b').next()
joiner(',')() ~ '|'
1 / 0
1 % 0
1 // 0
1.0 / 0
1.0 % 0
2.0 ** 2000
0 ** -1
'\x4'
'\u12'
007
1__0
'x' * 5 ** 30
10 ** 10 ** 10
('<b>' | e) | list ~ ('ab' | e)[0] ~ ('<b>' | safe)[1:]
undef % 1
'' % []
l[0][1:]
d[1:]
'{:,}'.format('x')
{'a': none, 'b': none} | dictsort(by='value')
rows | sort(attribute='nope') | length
rows | groupby('nope')
{'x': 1} | truncate(5)
(3 | items) is defined ~ (3 | map('abs')) is iterable
3 | items | list
range(5).count(2) ~ range(5).index(3)
'aXb'.rsplit() ~ '  a  b '.rsplit(none, 1) ~ ' a '.split(' ')
raise_exception('no <b>: ' ~ l)
raise_exception(l)
strftime_now(1)
""".strip().split("\n")

TEMPLATES = {
    "loop_attributes": "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a','b','c') }}{{ loop.changed(x) }};{% endfor %}",
    "loop_filter_else": "{% for x in l if x > 1 %}{{ x }}/{{ loop.length }}{{ loop.last }} {% else %}none{% endfor %}|{% for x in l if x > 5 %}{{ x }}{% else %}none{% endfor %}|{% for x in empty %}{% else %}e{% endfor %}|{% for x in undef %}{% else %}u{% endfor %}",
    "loop_none": "{% for x in nul %}{% endfor %}",
    "loop_unpack": "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in u %}[{{ c }}]{% endfor %}",
    "loop_unpack_error": "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
    "loop_scope": "{% set x = 0 %}{% for i in l %}{{ x }}{% set x = i %}{{ x }};{% endfor %}{{ x }}{{ i }}{{ loop }}",
    "loop_namespace": "{% set ns = namespace(x=0, seen=[]) %}{% for i in l %}{% set ns.x = ns.x + i %}{% set ns.seen = ns.seen + [i] %}{% endfor %}{{ ns.x }}{{ ns.seen }}",
    "loop_controls": "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% else %}never{% endfor %}|{% for i in range(3) %}{% for j in range(3) %}{% if j > i %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "loop_recursive": "{% for t in tree recursive %}{{ loop.depth }}{{ t.n }}({{ loop(t.c) }}){% endfor %}",
    "loop_not_recursive": "{% for t in tree %}{{ loop(t.c) }}{% endfor %}",
    "loop_nested_outer": "{% for a in [1, 2] %}{% set outer = loop %}{% for b in 'xy' %}{{ outer.index }}{{ loop.index }}{{ b }} {% endfor %}{% endfor %}",
    "loop_changed": "{% for x in [1, 1, 2, 2, 1] %}{{ 'c' if loop.changed(x) else '.' }}{% endfor %}",
    "loop_dict_items_last": "{% for k, v in d | dictsort %}{{ k }}{{ ', ' if not loop.last }}{% endfor %}",
    "if_chain": "{% for x in [0, 1, 2, 3] %}{% if x == 0 %}zero{% elif x == 1 %}one{% elif x == 2 %}two{% else %}many{% endif %} {% endfor %}",
    "if_scope": "{% if true %}{% set x = 1 %}{% endif %}{{ x }}{% if false %}{% set y = 1 %}{% endif %}{{ y is defined }}",
    "if_tuple": "{% if (0, 0) %}yes{% endif %}{% if () %}no{% else %}empty{% endif %}",
    "set_tuple": "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set (e, f) = [5, 6] %}{{ e + f }}",
    "set_block": "{% set x %}a{{ l }}\n b {% endset %}[{{ x }}]{% set y | upper | trim %} q {% endset %}[{{ y }}]{% set z %}{% set inner = 1 %}{% endset %}{{ inner is defined }}",
    "set_not_namespace": "{% set x = {} %}{% set x.y = 1 %}",
    "set_underscore": "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "macro": "{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }};{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}{{ m(1, 2, 3, 4, 5, z=6) }}{{ m() }}",
    "macro_too_many": "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "macro_unknown_keyword": "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, z=2) }}",
    "macro_twice": "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "macro_missing": "{% macro m(a) %}[{{ a }}]{{ a is defined }}{% endmacro %}{{ m() }}",
    "macro_closure": "{% set x = 1 %}{% macro m() %}{{ x }}{{ later is defined }}{% set x = 9 %}{{ x }}{% endmacro %}{{ m() }}{% set x = 2 %}{% set later = 1 %}{{ m() }}{{ x }}",
    "macro_loop_variable": "{% macro m() %}{{ i is defined }}{{ loop is defined }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}",
    "macro_in_loop": "{% for i in l %}{% macro m() %}<{{ i }}>{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}",
    "macro_recursive": "{% macro f(n) %}{{ n }}{% if n > 0 %},{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "macro_star": "{% macro m(a, b, c=3) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(*[1], **{'b': 5}) }}{{ m(**{'a': 1, 'b': 2, 'c': 4}) }}",
    "call_block": "{% macro box(t) %}[{{ t }}:{{ caller() }}]{% endmacro %}{% call box('x') %}in{{ l | length }}{% endcall %}",
    "call_arguments": "{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(v, n=0) each('ab') %}{{ n }}{{ v }} {% endcall %}",
    "call_no_caller": "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "caller_absent": "{% macro m() %}{{ caller is defined }}{{ caller() }}{% endmacro %}{{ m() }}",
    "filter_block": "{% filter upper | replace('A', '4') %}banana {{ s }}{% set hidden = 1 %}{% endfilter %}{{ hidden is defined }}",
    "with": "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% set c = 3 %}{% endwith %}{{ a }}{{ c is defined }}{% with %}{% set q = 1 %}{{ q }}{% endwith %}",
    "raw": "a {% raw %}{{ x }} {% if %} {# c #}{% endraw %} b\n{%- raw -%}  y  {%- endraw %}\nz{% raw %}\nq\n{% endraw %}\nend",
    "comments": "a{# one #}b{#- two -#} c \n {# three #}\nd {#+ four #}\ne\n   {#- five #}f",
    "generation": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% set q = 1 %}{% endgeneration %}{% endif %}{% endfor %}{{ q is defined }}",
    "block": "x{% block b %}y{{ s }}{% endblock %}z{% block c scoped %}w{% endblock c %}",
    "print": "{% print s, l %}",
    "trim_blocks": "{% if true %}\n  a\n{% endif %}\n\nb\n    {% if true %}\n    c\n    {% endif %}\nd {% if true %} e {% endif %}\n{{ 1 }}\n{{ 2 }}",
    "strip_minus": "a  \n {%- if true -%}  \n b \n {%- endif -%} \n c {{- ' d ' -}} e \n {{- 'f' }}\n",
    "strip_plus": "a\n    {%+ if true +%}\nb\n    {%+ endif %}\nc\n  {%- if true +%}\n d{% endif +%}\n\ne",
    "lstrip_after_tag": "{% if true %}   {% if true %}x{% endif %}{% endif %}\n   {% if true %}{% endif %}   {% set a = 1 %}\n  y",
    "trailing_newline": "a\n\n",
    "newlines": "a\r\nb\rc\r\n{% if true %}\r\nd{% endif %}\r\ne{{ 'x\r\ny' | tojson }}",
    "string_newline": "{{ 'a\nb' | tojson }}{{ 'a\\nb' | tojson }}",
    "braces": "{{ {'a': {'b': 1}}['a']['b'] }}{{ {'x': {}} }}{ { } } {{ '}}' }}{{ '{{' }}{% if '%}' %}%}{% endif %}",
    "single_brace": "{ % { # } {a} {{ 1 }}}",
    "colon": "{% if true: %}x{% endif %}",
    "chained_tests": "{{ 1 is odd and 2 is even }}{{ 'a' if 'b' is string else 'c' }}{{ [1, 2] is sequence and not 3 is string }}",
    "string_continued": "{{ 'a\\\nb' }}",
    "precedence": "{{ 2 * 3 ~ 4 }}|{{ 'a' + 'b' ~ 'c' }}|{{ 'a' + 'b' | upper }}|{{ ('a' + 'b') | upper }}|{{ -1 | abs }}|{{ not 1 == 2 }}|{{ 1 + 2 == 3 and 4 in [4] }}|{{ 2 * 3 ~ 4 }}|{{ 'a' in 'abc' | upper }}",
    "filter_call": "{{ l | map('string') | list | join('+') | replace('+', ' ') }}",
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}",
    "extends": "{% extends 'x' %}",
    "do": "{% do l.append(1) %}",
    "unknown_tag": "{% nope %}",
    "unclosed_if": "{% if true %}x",
    "unclosed_variable": "{{ x",
    "unclosed_comment": "a {# b",
    "unclosed_string": "{{ 'a }}",
    "stray_end": "{% endif %}",
    "bad_expression": "{{ 1 + }}",
    "bad_bracket": "{{ (1] }}",
    "bad_character": "{{ a $ b }}",
    "assign_constant": "{% set true = 1 %}",
    "for_else_break": "{% for x in l %}{% break %}{% else %}e{% endfor %}x",
    "for_else_continue": "{% for x in l %}{% continue %}{% else %}e{% endfor %}{% for x in l %}{% if x > 1 %}{% continue %}{% endif %}{{ x }}{% else %}e{% endfor %}",
    "dunder": "{{ ''.__class__ }}|{{ l.__len__ }}|{{ ().__class__.__bases__ }}",
    "dunder_format": "{{ '{0.__class__}'.format(s) }}",
    "cycler": "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.reset() }}{{ c.current }}",
    "joiner": "{% set j = joiner(' | ') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "generator_once": "{% set g = l | map('string') %}{{ g | list }}{{ g | list }}{{ 'y' if g else 'n' }}",
    "generator_length": "{{ l | map('string') | length }}",
    "generator_index": "{{ (l | map('string'))[0] }}",
    "macro_text_methods": "{% macro m() %} x {% endmacro %}{{ m() | trim }}{{ m().strip() }}{{ m() | length }}{{ (m() ~ m()) | replace(' ', '_') }}",
    "deep_if": "".join("{% if true %}" for _ in range(40)) + "x" + "".join("{% endif %}" for _ in range(40)),
    "namespace_in_macro": "{% set ns = namespace(n=0) %}{% macro inc() %}{% set ns.n = ns.n + 1 %}{% endmacro %}{{ inc() }}{{ inc() }}{{ ns.n }}",
    "shadow_global": "{% set range = 5 %}{{ range }}{% set namespace = 'x' %}{{ namespace }}",
    "tuple_output": "{{ 1, 2 }}{{ (1,) }}",
    "star_arguments": "{{ 'x{}{}'.format(*[1, 2]) }}{{ dict(**{'a': 1}) }}{{ '{a}'.format(**{'a': 3}) }}",
    "slices_of_slices": "{{ messages[1:][::-1] | map(attribute='role') | join(',') }}{{ messages[:1][0].content }}{{ s[1:-1][::2] }}",
}


def render(template):
    try:
        return {"text": chat_template_utils._compile_jinja_template(template).render(**CONTEXT)}
    except Exception as error:
        kind = "raised" if type(error) is jinja2.TemplateError else type(error).__name__
        return {"kind": kind, "error": str(error)}


def main():
    templates = {f"expression {n:03d}": "{{ " + e + " }}" for n, e in enumerate(EXPRESSIONS)}
    templates |= TEMPLATES
    cases = [{"name": n, "template": t, **render(t)} for n, t in templates.items()]
    versions = {"jinja2": jinja2.__version__, "transformers": transformers.__version__}
    Path(__file__).with_name("constructs.json").write_text(
        json.dumps({"versions": versions, "context": CONTEXT, "cases": cases}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    print(len(cases), "cases,", sum("text" in c for c in cases), "with text")


if __name__ == "__main__":
    main()
