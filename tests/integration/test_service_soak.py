from ingest_soak import soak


def test_no_acknowledged_event_is_lost_by_kill_9(tmp_path):
    found = soak(tmp_path, n_events=300, n_kills=3)
    assert found["kills"] == 3
    assert found["acknowledged"] >= 300
    assert found["lost"] == 0
