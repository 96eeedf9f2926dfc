"""References to secrets, as an inventory has them."""

import pytest

from kafab.references import Kind, Reference, holds_reference, is_reference


@pytest.mark.parametrize(
    ("text", "kind", "argument"),
    [
        ("${env:KAFKA_PASSWORD}", Kind.ENV, "KAFKA_PASSWORD"),
        ("${file:secrets/client.txt}", Kind.FILE, "secrets/client.txt"),
        ("${file:~/a b.txt}", Kind.FILE, "~/a b.txt"),
        ("${cmd:pass show kafka/prod}", Kind.CMD, "pass show kafka/prod"),
        ("${cmd:sops -d s.yaml | awk '{print $2}'}", Kind.CMD, "sops -d s.yaml | awk '{print $2}'"),
        ("${cmd:vault kv get -field=${FIELD} kv/kafka}", Kind.CMD, "vault kv get -field=${FIELD} kv/kafka"),
        ("${prompt:password of the CA's key}", Kind.PROMPT, "password of the CA's key"),
    ],
)
def test_reference_is_the_whole_text(text: str, kind: Kind, argument: str) -> None:
    """Each of the four is read, and shown as it was written."""
    found = Reference.parse(text)
    assert (found, str(found), is_reference(text)) == (Reference(kind, argument), text, True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hunter2", "one of ..env:NAME}, ..file:PATH}, ..cmd:COMMAND}, ..prompt:TEXT}"),
        ("${env:NAME", "expected a reference"),
        ("x${env:NAME}", "expected a reference"),
        ("${env:NAME}hunter2", "expected a reference"),
        ("${env:}", "a variable's name"),
        ("${env:1NAME}", "a variable's name"),
        ("${env:NA ME}", "a variable's name"),
        ("${env:A}${env:B}", "one reference"),
        ("${env:A}hunter2}", "a variable's name"),
        ("${file:/etc/kafka.properties:password}", "FileConfigProvider"),
        ("${file: }", "a path behind"),
        ("${cmd:a\nb}", "a command behind .* one line"),
        ("${cmd:" + "x" * 1001 + "}", "at most 1000"),
        ("${ENV:NAME}", "expected a reference"),
        ("${vault:kv/kafka}", "expected a reference"),
    ],
)
def test_what_is_no_reference_is_told_without_it(text: str, complaint: str) -> None:
    """A message says what was expected, and has nothing of a text that may be the secret itself."""
    with pytest.raises(ValueError, match=complaint) as error:
        Reference.parse(text)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [("a ${env:B} c", True), ("${dir:/x:y}", False), ("${vault:a}", False), ("$env:", False), ("", False)],
)
def test_reference_inside_of_a_text_is_noticed(text: str, holds: bool) -> None:
    """A reference that is only a part of a value can be refused; those of other providers are none."""
    assert holds_reference(text) is holds
