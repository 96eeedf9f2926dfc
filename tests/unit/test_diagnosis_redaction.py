"""Secrets in what was gathered: hidden by key, by form and by value, and nothing else is."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafab.diagnosis.asking import PART_LIMIT
from kafab.diagnosis.evidence import Line
from kafab.diagnosis.redaction import HIDDEN, Redactor

FORMS = (
    "ssl.keystore.password={}",
    "    ssl.key.password = {}",
    "ssl.truststore.password : {}",
    "ssl.key.password {}",
    "# ssl.key.password={}",
    "listener.name.x.ssl.keystore.key=-----BEGIN PRIVATE KEY----- {} -----END PRIVATE KEY-----",
    'sasl.jaas.config=org.example.PlainLoginModule required username="a" password="{}";',
    'sasl.jaas.config=org.example.PlainLoginModule \\\n  required username="a" \\\n  password="{}";',
    'org.example.ScramLoginModule required username="a" clientThing="{}";',
    '  user_admin="{}"',
    '"-Djavax.net.ssl.keyStorePassword={}"',
    "-Djavax.net.ssl.trustStorePassword={}",
    "java -cp x -Dsecret={} Main",
    "--password\n{}\nnext",
    "tool -storepass {} --list",
    '{{"password":"{}","user":"a"}}',
    '{{"a": {{"clientSecret": "{}"}}}}',
    'text of JSON: \\"password\\":\\"{}\\"',
    "[2026-01-01 00:00:00,000] INFO connects with password={} now (x)",
    "[2026-01-01 00:00:00,000] ERROR Invalid value {} for configuration ssl.key.password: bad (x)",
    "https://user:{}@host.example/path",
    "proxy http://{}@host",
    "Authorization: Basic {}",
    "Authorization: Bearer {}",
    "<entry><dbPassword>{}</dbPassword></entry>",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n{}",
    "Environment=KAFKA_OPTS=-Dx={} OTHER=1",
    'Environment="KAFKA_OPTS=-Dx=1 \\\n# old\n  -Dy={} \\\n  -Dz=1"\nExecStart=/bin/x',
    "ExecStartPost=curl -u admin:{} host.example",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    '{{"name": "ssl.key.password", "value": "{}"}}',
    "- name: SSL_PASSWORD\n  value: {}",
    "<name>ssl.key.password</name>\n<value>{}</value>",
    "KEY_PASS={}",
    "basic.auth.user.info=alice:{}",
    "-Dzookeeper.DigestAuthenticationProvider.superDigest=super:{}",
    "AccountName=a;AccountKey={};EndpointSuffix=x",
    "\x1b[31mssl.key.password\x1b[0m=\x1b[32m{}\x1b[0m",
    "export DB_PASSWORD='{}'",
    "AWS_SECRET_ACCESS_KEY={}",
    "SCRAM-SHA-256=[salt=s,stored_key={},iterations=4096]",
    'password="cut off {}',
)
LETTERS = st.sampled_from("abcXYZ0189+/_-.,!#$%&*?~^|")
SECRETS = st.text(LETTERS, min_size=6, max_size=20).map(lambda text: f"q{text}Z9")
"""Values without letters that end one in a shell's word or in a quoted one; begun with a letter that no form has before it."""


@pytest.mark.parametrize("form", FORMS)
def test_what_stands_behind_a_key_is_hidden(form: str) -> None:
    """A secret in any of the forms in which files, command lines and logs have one does not come through."""
    text = Redactor().text(f"before\n{form.format('hunt3rZwei')}\nafter\n")
    assert ("hunt3rZwei" in text, HIDDEN in text, text.startswith("before\n")) == (False, True, True)


@given(secret=SECRETS, first=st.sampled_from(FORMS), second=st.sampled_from(FORMS))
def test_no_secret_comes_through(secret: str, first: str, second: str) -> None:
    """Whatever the value is, two forms one after another hide it; hidden text stays as it is."""
    redactor = Redactor()
    text = redactor.text(f"{first.format(secret)}\n{second.format(secret)}\n")
    assert secret not in text
    assert redactor.text(text).count(secret) == 0


@given(secret=SECRETS)
def test_value_that_a_file_sets_is_hidden_wherever_it_stands(secret: str) -> None:
    """A plain word of a log, which no key is beside, is a secret where a configuration has it as one."""
    redactor = Redactor()
    redactor.learn(f"a=1\nssl.key.password={secret}\n")
    text = redactor.text(f"[t] WARN user gave <{secret}> (x)")
    assert text == "[t] WARN user gave <***> (x)"


def test_value_beside_its_name_is_learned() -> None:
    """So YAML lists settings, and a log may have the value alone."""
    redactor = Redactor()
    redactor.learn("- name: SSL_PASSWORD\n  value: hunt3rZwei\n")
    assert redactor.text("gave hunt3rZwei") == "gave ***"


@pytest.mark.parametrize(
    ("set_as", "logged"),
    [
        ("two words", "ssl.key.password=two words end"),
        ("a\\:b\\\\cdef", "user gave a:b\\cdef"),
        ('one"quote', 'body {"given": "one\\"quote"}'),
        ("one/slash", "GET /x?given=one%2Fslash"),
    ],
)
def test_value_is_hidden_as_it_is_written_elsewhere(set_as: str, logged: str) -> None:
    """With blanks, behind its own key too; without a property's escapes; as JSON and a URL escape it."""
    redactor = Redactor()
    redactor.learn(f"ssl.key.password={set_as}\n")
    hidden = redactor.text(logged)
    assert not any(word in hidden for word in ("words", "cdef", "quote", "slash"))


@pytest.mark.parametrize("ending", ["", "\r", " \\"])
def test_end_of_a_key_whose_beginning_is_cut_off_is_hidden(ending: str) -> None:
    """Lines of base64 before its end are the key's, with any line ends and where a property goes on in the next line."""
    text = Redactor().text(f"a: 1\nAbCd{ending}\nEfGh{ending}\n-----END PRIVATE KEY-----\nb: 2")
    assert text == "a: 1\n-----PRIVATE KEY *** -----\nb: 2"


def test_key_of_a_file_does_not_take_the_marks_of_others_with_it() -> None:
    """A private key that goes on over a property's lines is learned without its first and last line, by which others are found."""
    redactor = Redactor()
    redactor.learn(
        "ssl.keystore.key=-----BEGIN PRIVATE KEY----- \\\nAbCdEfGh \\\n-----END PRIVATE KEY-----\n"
    )
    text = redactor.text("-----BEGIN PRIVATE KEY-----\nIjKlMnOp\n-----END PRIVATE KEY-----\nAbCdEfGh")
    assert text == "-----PRIVATE KEY *** -----\n***"


@pytest.mark.parametrize("set_as", ["password", "set ssl.key.password="])
def test_value_that_is_a_key_does_not_take_the_key_of_others_with_it(set_as: str) -> None:
    """What stands behind the key is hidden all the same where a password is the word, and where a comment says how to set one."""
    redactor = Redactor()
    redactor.learn(f"# password: {set_as}\n")
    assert "hunt3rZwei" not in redactor.text("set ssl.key.password=hunt3rZwei")


@pytest.mark.parametrize("repeated", ["AAAAAAAA\n", "user_[", "-D"])
def test_text_that_is_made_to_take_long_does_not(repeated: str) -> None:
    """A part of many short lines, or of lines of the greatest length, is looked through in a time that its square has no part in."""
    text = (repeated * PART_LIMIT)[:PART_LIMIT]
    lines = text if "\n" in text else "\n".join(re.findall(".{1,4000}", text))
    begun = time.process_time()
    Redactor().text(lines)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "text",
    [
        "    ssl.key.password = null",
        "    ssl.keystore.password = [hidden]",
        "Caused by: java.io.IOException: keystore password was incorrect",
        "[t] ERROR Failed to bind to 10.0.0.1:9092: Address already in use. (x)",
        "RequestHeader(apiKey=DESCRIBE_CLUSTER, apiVersion=2)",
        "listeners=PLAINTEXT://10.0.0.1:9092,SSL://10.0.0.1:9093",
        "node.id=1\ncluster.id=HSQGBHjMTF2Y9hxNZSJ3lA",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "Max open files            100000               100000               files",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """What tells what is wrong is not hidden: absent passwords, requests, ids, addresses."""
    assert Redactor().text(text) == text


@pytest.mark.parametrize("value", ["null", "abc", "86400000", '""'])
def test_common_value_is_not_taken_for_a_secret_elsewhere(value: str) -> None:
    """A word of a few letters, or a number, would be hidden all over the archive."""
    redactor = Redactor()
    redactor.learn(f"delegation.token.expiry.time.ms={value}\n")
    assert redactor.text(f"so: {value}") == f"so: {value}"


def test_values_inside_of_values_are_hidden() -> None:
    """Evidence of a finding, in mappings and tuples, is hidden as text is; a key hides what stands under it."""
    redactor = Redactor()
    found = redactor.value(({"password": "x", "n": 1, "told": ["token=abc"]}, Line("secret=1", "a:1")))
    assert found == (
        {"password": HIDDEN, "n": 1, "told": [f"token={HIDDEN}"]},
        Line(f"secret={HIDDEN}", "a:1"),
    )


def test_letters_that_steer_a_terminal_are_escaped() -> None:
    """A log that whoever talks to the broker can write into does not move the cursor of its reader."""
    assert Redactor().text("a\tb\x1b[2J\r\nc") == "a    b\\x1b[2J\\r\nc"
