package main

import (
	"fmt"
	"log"
	"sync"
	"sync/atomic"
	"time"
)

// checker watches what is consumed. Offsets of a partition must be contiguous from 0; the sequences of a
// producer on a partition, too. With tolerant set, producers that are not idempotent may repeat and skip.
type checker struct {
	tolerant   bool
	partitions []*partitionState
	repeats    atomic.Int64
	lock       sync.Mutex
	wrong      []string
}

type partitionState struct {
	lock    sync.Mutex
	next    int64
	records int64
	bytes   int64
	nextOf  map[uint32]uint64
}

func newChecker(partitions int, tolerant bool) *checker {
	c := &checker{tolerant: tolerant}
	for range partitions {
		c.partitions = append(c.partitions, &partitionState{nextOf: map[uint32]uint64{}})
	}
	return c
}

func (c *checker) complain(format string, arguments ...any) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, arguments...))
}

// observe takes the next record that a consumer of the partition got, and answers what it says of itself.
func (c *checker) observe(partition int, offset int64, value []byte) (origin, bool) {
	p := c.partitions[partition]
	p.lock.Lock()
	defer p.lock.Unlock()
	if offset != p.next {
		c.complain("partition %d: offset %d came where %d should", partition, offset, p.next)
	}
	p.next = offset + 1
	p.records++
	p.bytes += int64(len(value))
	o, err := parse(value)
	if err != nil {
		c.complain("partition %d, offset %d: %v", partition, offset, err)
		return o, false
	}
	expected := p.nextOf[o.producer]
	switch {
	case o.sequence == expected:
	case c.tolerant && !idempotent(o.producer):
		if o.sequence < expected {
			c.repeats.Add(1)
			return o, true
		}
	default:
		c.complain("partition %d, offset %d: producer %d's record %d came where %d should", partition, offset, o.producer, o.sequence, expected)
	}
	p.nextOf[o.producer] = o.sequence + 1
	return o, true
}

// awaitEnd waits until each partition is consumed to its end offset.
func (c *checker) awaitEnd(ends []int64, stall time.Duration) {
	before, since := int64(-1), time.Now()
	for {
		missing := int64(0)
		for partition, end := range ends {
			p := c.partitions[partition]
			p.lock.Lock()
			missing += max(0, end-p.next)
			p.lock.Unlock()
		}
		if missing == 0 {
			return
		}
		if missing != before {
			before, since = missing, time.Now()
		} else if time.Since(since) > stall {
			c.complain("%d records were not delivered to the consumers within %v", missing, stall)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// finish compares what was consumed with what was sent, and answers all that was wrong.
func (c *checker) finish(sent *tally) []string {
	for partition, p := range c.partitions {
		for producer, count := range sent.perPartition[partition] {
			if c.tolerant && !idempotent(producer) {
				continue
			}
			if got := p.nextOf[producer]; got != count {
				c.complain("partition %d: producer %d sent %d records, %d were consumed", partition, producer, count, got)
			}
		}
	}
	if c.records() == 0 {
		c.complain("nothing was consumed at all")
	}
	return c.wrong
}

func (c *checker) records() (n int64) {
	for _, p := range c.partitions {
		n += p.records
	}
	return n
}

func (c *checker) bytes() (n int64) {
	for _, p := range c.partitions {
		n += p.bytes
	}
	return n
}

func (c *checker) repeated() int64 { return c.repeats.Load() }

func must(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}
