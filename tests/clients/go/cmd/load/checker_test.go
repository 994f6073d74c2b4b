package main

import (
	"strings"
	"testing"
)

// feed shows the checker values at offsets 0, 1, 2 ... of partition 0.
func feed(c *checker, origins ...origin) {
	source := newSource(1)
	for offset, o := range origins {
		c.observe(0, int64(offset), source.value(o))
	}
}

func expectComplaint(t *testing.T, c *checker, part string) {
	t.Helper()
	if len(c.wrong) == 0 || !strings.Contains(c.wrong[0], part) {
		t.Errorf("the checker said %q, nothing of %q", c.wrong, part)
	}
}

func TestTheCheckerAcceptsWhatIsRight(t *testing.T) {
	c := newChecker(1, false)
	feed(c, origin{0, 0}, origin{1, 0}, origin{0, 1}, origin{0, 2})
	if wrong := c.finish(&tally{perPartition: []map[uint32]uint64{{0: 3, 1: 1}}}); len(wrong) > 0 {
		t.Error(wrong)
	}
}

func TestTheCheckerFindsADuplicateAGapAndAReversal(t *testing.T) {
	for _, origins := range [][]origin{
		{{0, 0}, {0, 0}}, {{0, 0}, {0, 2}}, {{0, 1}, {0, 0}},
	} {
		c := newChecker(1, true)
		feed(c, origins...)
		expectComplaint(t, c, "should")
	}
}

func TestTheCheckerFindsALostTail(t *testing.T) {
	c := newChecker(1, false)
	feed(c, origin{0, 0})
	c.finish(&tally{perPartition: []map[uint32]uint64{{0: 2}}})
	expectComplaint(t, c, "sent 2 records, 1 were consumed")
}

func TestTheCheckerFindsAMissingOffset(t *testing.T) {
	c := newChecker(1, false)
	source := newSource(1)
	c.observe(0, 0, source.value(origin{0, 0}))
	c.observe(0, 2, source.value(origin{0, 1}))
	expectComplaint(t, c, "offset 2 came where 1 should")
}

func TestTheCheckerFindsADamagedByte(t *testing.T) {
	c := newChecker(1, false)
	value := newSource(1).value(origin{0, 0})
	value[len(value)-1] ^= 1
	c.observe(0, 0, value)
	expectComplaint(t, c, "CRC")
}
