"""Keys land where Java's producer puts them."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.partitioning import murmur2, partition_of, partitions_of

# Kafka's own test vectors (UtilsTest.testMurmur2, Apache Kafka), signed as Java prints them.
JAVA = [
    (b"21", -973_932_308),
    (b"foobar", -790_332_482),
    (b"a-little-bit-long-string", -985_981_536),
    (b"a-little-bit-longer-string", -1_486_304_829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    (b"abc", 479_470_107),
]


@pytest.mark.parametrize(("key", "signed"), JAVA)
def test_java_vectors(key, signed):
    """The hash equals Java's on the vectors of Kafka's own test."""
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert partition_of(key, 8) == (signed & 0x7FFFFFFF) % 8


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_equals_aiokafka(key):
    """The hash equals aiokafka's on any key, the empty one included."""
    assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=64), st.integers(1, 64))
def test_equals_the_aiokafka_producer(key, count):
    """The partition is the one that an aiokafka producer chooses."""
    everything = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key, everything, everything)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=70) | st.binary(min_size=500, max_size=600), max_size=30), st.integers(1, 64))
def test_vectorised_equals_one_by_one(keys, count):
    """Many keys at once give what each gives alone, whatever their lengths and trailing zero bytes."""
    assert partitions_of(keys, count).tolist() == [partition_of(key, count) for key in keys]


def test_zero_bytes_count():
    """Keys that differ in trailing zero bytes only are different keys."""
    keys = [b"a" + b"\0" * n for n in range(9)]
    assert len({murmur2(key) for key in keys}) == 9
    assert partitions_of(keys, 1000).tolist() == [partition_of(key, 1000) for key in keys]
