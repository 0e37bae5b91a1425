from viecomrec.service.traffic import TrafficCounters, summary, total


def counted(model_id, seconds, status=200, n_items=10):
    counters = TrafficCounters()
    for one in seconds:
        counters.count_list(model_id, status, n_items, one)
    return counters


def test_quantiles_are_within_a_quarter_of_the_truth():
    seconds = [step / 1000 for step in range(1, 101)]
    found = summary(counted("a", seconds))
    assert found.n_requests == 100
    assert 50 <= found.latency_ms_p50 <= 50 * 1.25
    assert 95 <= found.latency_ms_p95 <= 95 * 1.25


def test_without_requests_there_is_no_latency():
    assert summary(TrafficCounters()).latency_ms_p50 is None


def test_errors_and_empty_lists_are_different_things():
    failed, empty = counted("a", [1], status=500, n_items=0), counted("a", [1], n_items=0)
    assert (failed.n_errors, failed.n_empty) == (1, 0)
    assert (empty.n_errors, empty.n_empty) == (0, 1)


def test_another_model_counts_anew():
    counters = counted("a", [1, 1, 1])
    counters.count_list("b", 200, 10, 0.001)
    assert (counters.model_id, counters.n_requests) == ("b", 1)
    assert sum(counters.latencies) == 1


def test_workers_are_summed_and_what_belongs_to_another_model_is_left_out():
    one, two, other = counted("a", [0.001]), counted("a", [0.1, 0.1]), counted("b", [9.0])
    one.requests["/recommend 200"] = 1
    two.requests["/recommend 200"] = 2
    summed = total([one.state(), two.state(), other.state()], "a")
    assert summed.n_requests == 3
    assert summed.requests["/recommend 200"] == 3
    assert summary(summed).latency_ms_p95 < 200
