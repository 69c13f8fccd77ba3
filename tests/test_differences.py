from ranet.differences import differences


def test_equal_settings_do_not_differ():
    assert list(differences({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}})) == []


def test_each_difference_is_named_by_its_place():
    before = {"a": {"b": 1, "c": 2}, "d": [1], "gone": 0}
    now = {"a": {"b": 1, "c": 3}, "d": [1, 2], "new": {"e": 5}}
    assert list(differences(before, now)) == [
        ("a.c", 2, 3),
        ("d", [1], [1, 2]),
        ("gone", 0, None),
        ("new", None, {"e": 5}),
    ]
