"""What the tests of whole jobs in this folder share: the end of a fault, and its healing."""

UIDS = {f"1.2.3.1.{n}" for n in (1, 2, 3)}


def refused(result, code, *, received=None):
    """The job ended with `code` and there is no disc."""
    assert (result.code, result.discs) == (code, []), result.report
    if received is not None:
        assert result.report["received"] == received
    return result


def heals(lab, uids=frozenset(UIDS)):
    """When everything behaves again the same job gives the disc, and twice the same one."""
    lab.archive.on_move = lab.archive.on_find = lab.archive.on_get = None
    result = lab.make()
    assert result.code == 0, result.report
    assert result.on_disc == uids
    again = lab.make()
    assert again.code == 0
    assert "exists already" in again.message
    assert again.report["discs"][0]["sha256"] == result.report["discs"][0]["sha256"]
    return result


def value(keys, tag):
    return next((raw.decode().strip(" \0") for key, _, raw in keys if key == tag), "")


def changed(keys, tag, text):
    return [(key, vr, text.encode() if key == tag else raw) for key, vr, raw in keys]
