"""The shim runs on PHP 5.6 to 8.x: nothing newer in its files, and nothing that is gone since."""

import re
import subprocess
from pathlib import Path

import pytest

from mkiso.storage.config_file import read_config_file

pytestmark = pytest.mark.peers

SHIM = Path(__file__).resolve().parents[2] / "legacy_php_shim"
SCRIPTS = sorted(SHIM.glob("*.php"))
PARSER = Path("/usr/share/php/PhpParser")

TOKENS = r"""
foreach (token_get_all(stream_get_contents(STDIN)) as $token) {
    $name = is_array($token) ? token_name($token[0]) : '';
    $text = is_array($token) ? $token[1] : $token;
    $isText = in_array($name, array('T_COMMENT', 'T_DOC_COMMENT', 'T_INLINE_HTML'));
    $isString = $name === 'T_CONSTANT_ENCAPSED_STRING' || $name === 'T_ENCAPSED_AND_WHITESPACE';
    echo $isText ? ' ' : ($isString ? "''" : $text);
}
"""

#: What came after PHP 5.6: (version, what it looks like in code without comments and strings)
NEWER = (
    ("7.0 ??", r"\?\?"),
    ("7.0 <=>", r"<=>"),
    ("7.0 scalar types", r"[(,]\s*(int|string|bool|float)\s+[&$.]"),
    ("7.0 return types", r"function\b[^{;]*\)\s*:\s*\??\w+\s*[{;]"),
    ("7.0 isset of a constant's element", r"(isset|empty)\s*\(([^()]*,\s*)?\w+::[A-Z]"),
    ("7.0 anonymous classes", r"new\s+class\b"),
    ("7.1 nullable types", r"[(,]\s*\?\w+\s+\$"),
    ("7.1 visible constants", r"(public|private|protected)\s+const\b"),
    ("7.1 list by brackets", r"^\s*\[[^]]*\$[^]]*\]\s*=[^=>]"),
    ("7.1 several exceptions", r"catch\s*\([^)]*\|"),
    ("7.3 comma at the end of a call", r"(?<!\w)(?!array\()\w+\([^()]*,\s*\)"),
    ("7.4 typed properties", r"(public|private|protected)\s+(static\s+)?\??\w+\s+\$"),
    ("7.4 arrow functions", r"\bfn\s*\("),
    ("7.4 unpacking in arrays", r"(array\(|\[)\s*\.\.\."),
    ("8.0 ?->", r"\?->"),
    ("8.0 match", r"\bmatch\s*\("),
    ("8.0 named arguments", r"[(,]\s*[a-z_]\w*:\s"),
    ("7.0 functions", r"\b(intdiv|random_int|error_clear_last)\("),
    ("7.1 to 8.4 functions", r"\b(is_(iterable|countable)|array_(key_(first|last)|find|any))\("),
    ("8.0 functions", r"\b(str_(contains|starts_with|ends_with)|get_debug_type)\("),
)  # fmt: skip
#: What is gone or announced to go: (version, what it looks like)
GONE = (
    ("7.2 each, create_function", r"\b(each|create_function)\("),
    ("8.1 strftime, FILTER_SANITIZE_STRING", r"\bstrftime\(|FILTER_SANITIZE_STRING"),
    ("8.2 utf8_encode", r"\butf8_(en|de)code\("),
    ("8.4 a default null without a nullable type", r"[(,]\s*[A-Z]\w*\s+\$\w+\s*=\s*null"),
)


@pytest.fixture(scope="module", params=SCRIPTS, ids=[path.name for path in SCRIPTS])
def script(request):
    return request.param


def code_of(text):
    done = subprocess.run(
        ["php", "-r", TOKENS], input=text, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_this_php_takes_every_file(script):
    done = subprocess.run(
        ["php", "-d", "error_reporting=-1", "-d", "display_errors=1", "-l", str(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("No syntax errors")
    assert "Deprecated" not in done.stdout + done.stderr


def test_nothing_is_newer_than_php_5_6_or_gone(script):
    code = code_of(script.read_text())
    found = [what for what, pattern in NEWER + GONE if re.search(pattern, code, re.MULTILINE)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("$a = $b ?? 1;", "7.0 ??"),
        ("function f(int $a) {}", "7.0 scalar types"),
        ("function f($a): ?int {}", "7.0 return types"),
        ("isset(self::TABLE[$a]);", "7.0 isset of a constant's element"),
        ("class A { private const B = 1; }", "7.1 visible constants"),
        ("f($a, $b,);", "7.3 comma at the end of a call"),
        ("class A { public array $a; }", "7.4 typed properties"),
        ("$f = fn($x) => $x;", "7.4 arrow functions"),
        ("str_contains($a, $b);", "8.0 functions"),
    ],
)
def test_what_is_newer_is_seen(text, what):
    code = code_of(f"<?php {text}")
    assert what in [name for name, pattern in NEWER if re.search(pattern, code, re.MULTILINE)]


def test_the_grammar_of_php_5_takes_every_file():
    if not PARSER.is_dir():
        pytest.skip("Debian's php-parser is not installed")
    program = (
        "spl_autoload_register(function ($name) {"
        " require '/usr/share/php/' . strtr($name, '\\\\', '/') . '.php'; });"
        "$factory = new PhpParser\\ParserFactory();"
        "$parser = $factory->create(PhpParser\\ParserFactory::ONLY_PHP5);"
        "foreach (array_slice($argv, 1) as $file) { $parser->parse(file_get_contents($file)); }"
    )
    subprocess.run(["php", "-r", program, *map(str, SCRIPTS)], check=True, timeout=60)


def test_mkiso_reads_the_sample_configuration():
    config = read_config_file(SHIM / "mkiso.sample.toml")
    forward = config.nodes["forward"]
    assert (forward.ae_title, forward.host, forward.port) == ("ANY-SCP", "172.16.0.120", 104)


def test_the_sample_settings_are_the_defaults():
    program = (
        f"require '{SHIM}/MkisoClient.php'; $sample = require '{SHIM}/config.sample.php';"
        "$differ = array(); foreach (MkisoClient::DEFAULTS as $key => $value) {"
        " if ($sample[$key] !== $value) { $differ[] = $key; } }"
        "echo implode(',', $differ), count(array_diff_key($sample, MkisoClient::DEFAULTS));"
    )
    done = subprocess.run(
        ["php", "-r", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "command0"  # its path is an example
