from serving import admission


def test_a_request_is_taken_while_there_is_room() -> None:
    assert admission.refusal(in_flight=7, limit=8) is None


def test_the_one_too_many_is_refused_with_the_time_to_come_back() -> None:
    refusal = admission.refusal(in_flight=8, limit=8)

    assert refusal is not None
    assert (refusal.status, refusal.retry_after_s) == (429, 1)
    assert "8 requests" in refusal.message
