from viecomrec.adapters.memory import ALLOCATOR_SETTING, SOON, return_memory_soon


def test_free_memory_goes_back_soon_unless_the_operator_says_otherwise():
    environment = {}
    return_memory_soon(environment)
    assert environment == {ALLOCATOR_SETTING: SOON}
    environment = {ALLOCATOR_SETTING: "dirty_decay_ms:100"}
    return_memory_soon(environment)
    assert environment == {ALLOCATOR_SETTING: "dirty_decay_ms:100"}
