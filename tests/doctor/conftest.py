"""For the tests of the doctor."""

import pytest

from support import postconf


@pytest.fixture
def without_postconf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imitate postconf, so that Postfix need not be installed."""
    monkeypatch.setattr("assay.doctor.look.postfix.output_of", postconf.answer)
    monkeypatch.setattr("assay.doctor.look.postfix.outputs_of", postconf.answers)
