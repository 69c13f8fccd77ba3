"""Threads that read and write: in order, bounded, told of every error, and never left behind."""

import threading

import pytest

from ranet.inference.running import read_ahead, write_behind

A_WHILE = 10  # seconds until a test that would hang fails


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Source:
    """Counts up to ``count``, or fails before item ``bad``; notes what was taken, and in which
    thread."""

    def __init__(self, count=10, bad=None):
        self.count, self.bad, self.taken, self.threads = count, bad, 0, set()
        self.another = threading.Condition()

    def __iter__(self):
        for index in range(self.count):
            if index == self.bad:
                raise OSError(f"item {index} is damaged")
            self.threads.add(threading.current_thread())
            with self.another:
                self.taken += 1
                self.another.notify_all()
            yield index

    def wait_until_taken(self, count):
        with self.another:
            assert self.another.wait_for(lambda: self.taken >= count, A_WHILE)


@pytest.mark.parametrize("ahead", [1, 3, 20])
@pytest.mark.parametrize("count", [0, 1, 10])
def test_all_items_come_in_order(ahead, count):
    with read_ahead(Source(count), ahead) as items:
        assert list(items) == list(range(count))


def test_items_are_fetched_in_a_thread_before_they_are_asked_for():
    source = Source()
    with read_ahead(source, 3) as items:
        assert next(items) == 0
        source.wait_until_taken(4)
    assert threading.current_thread() not in source.threads


def test_no_more_than_so_many_items_wait():
    source = Source(100)
    with read_ahead(source, 3) as items:
        for item in items:
            assert source.taken <= item + 1 + 3


def test_nothing_is_fetched_once_the_block_is_left():
    source = Source(100)

    def take_one_and_stop():
        with read_ahead(source, 3) as items:
            next(items)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_one_and_stop()
    assert source.taken <= 4


def test_an_error_comes_at_its_item_as_it_is():
    with read_ahead(Source(bad=2), 4) as items:
        assert [next(items), next(items)] == [0, 1]
        with pytest.raises(OSError, match=r"^item 2 is damaged$"):
            next(items)


class Sink:
    """Notes what is written; waits at item ``slow`` until told, fails at items ``bad``."""

    def __init__(self, slow=None, bad=()):
        self.written, self.threads, self.slow, self.bad = [], set(), slow, bad
        self.go_on = threading.Event()

    def write(self, item):
        if item == self.slow:
            assert self.go_on.wait(A_WHILE)
        if item in self.bad:
            raise OSError(f"no room for item {item}")
        self.threads.add(threading.current_thread())
        self.written.append(item)


def hand_over(sink, items, behind, handed=None, then=None):
    """Give a sink items; ``handed`` gets those that were taken, ``then`` is done at the end."""
    with write_behind(sink.write, behind) as write:
        for item in items:
            write(item)
            if handed is not None:
                handed.append(item)
        if then:
            then()


def test_all_is_written_in_order_when_the_block_ends():
    sink = Sink()
    with write_behind(sink.write, 3) as write:
        for item in range(20):
            write(item)
    assert sink.written == list(range(20))
    assert threading.current_thread() not in sink.threads


def test_the_caller_goes_on_while_something_is_written():
    sink = Sink(slow=0)
    with write_behind(sink.write, 3) as write:
        for item in range(3):
            write(item)
        assert sink.written == []
        sink.go_on.set()
    assert sink.written == [0, 1, 2]


def test_the_caller_waits_when_too_much_is_waiting():
    sink = Sink(slow=0)
    fourth = threading.Event()

    def hand_over_four(write):
        for item in range(4):
            write(item)
        fourth.set()

    with write_behind(sink.write, 3) as write:
        caller = threading.Thread(target=hand_over_four, args=(write,))
        caller.start()
        assert not fourth.wait(0.2)
        sink.go_on.set()
        caller.join(A_WHILE)
    assert fourth.is_set()
    assert sink.written == [0, 1, 2, 3]


def test_an_error_stops_the_caller():
    sink, handed = Sink(bad=[2]), []
    with pytest.raises(OSError, match=r"^no room for item 2$"):
        hand_over(sink, range(100), 3, handed)
    assert len(handed) <= 2 + 3 + 1


def test_the_error_of_the_last_item_comes_when_the_block_ends():
    with pytest.raises(OSError, match="item 4"):
        hand_over(Sink(bad=[4]), range(5), 10)


def test_an_error_of_the_caller_is_not_hidden_and_what_was_handed_over_is_written():
    sink = Sink(slow=0, bad=[1])

    def stop():
        sink.go_on.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over(sink, range(4), 10, then=stop)
    assert sink.written == [0, 2, 3]
