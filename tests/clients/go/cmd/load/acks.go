package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ackLog writes a line for each acknowledged record: partition, offset, producer, sequence.
type ackLog struct {
	lock sync.Mutex
	file *os.File
	out  *bufio.Writer
}

func openAcks(path string) *ackLog {
	if path == "" {
		return &ackLog{}
	}
	file, err := os.Create(path)
	must(err, path)
	return &ackLog{file: file, out: bufio.NewWriterSize(file, 1<<20)}
}

func (a *ackLog) add(partition int, offset int64, o origin) {
	if a.out == nil {
		return
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	fmt.Fprintln(a.out, partition, offset, o.producer, o.sequence)
}

func (a *ackLog) close() error {
	if a.out == nil {
		return nil
	}
	return errors.Join(a.out.Flush(), a.file.Close())
}

func readAcks(path string) []map[int64]origin {
	file, err := os.Open(path)
	must(err, path)
	defer file.Close()
	acks := make([]map[int64]origin, *partitions)
	for partition := range acks {
		acks[partition] = map[int64]origin{}
	}
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		var partition int
		var offset int64
		var o origin
		_, err := fmt.Fscanln(lines, &partition, &offset, &o.producer, &o.sequence)
		if err == io.EOF {
			return acks
		}
		must(err, path)
		if other, twice := acks[partition][offset]; twice && other != o {
			log.Fatalf("WRONG: offset %d of partition %d was acknowledged to %v and to %v", offset, partition, other, o)
		}
		acks[partition][offset] = o
	}
}

// verifyAcknowledged reads the whole topic and compares it with the acknowledgements.
func verifyAcknowledged(path string) {
	acks, ends := readAcks(path), endOffsets()
	c := newChecker(*partitions, *crashes)
	acknowledged := 0
	var all []int
	left := int64(0)
	for partition := range acks {
		all = append(all, partition)
		acknowledged += len(acks[partition])
		left += ends[partition]
	}
	if acknowledged == 0 {
		log.Fatal("WRONG: the file holds no acknowledgement")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	if left > 0 {
		consumeFranz(ctx, all, func(r *kgo.Record) bool {
			partition := int(r.Partition)
			o, sound := c.observe(partition, r.Offset, r.Value)
			if want, known := acks[partition][r.Offset]; sound && known && want != o {
				c.complain("partition %d, offset %d: acknowledged to %v, holds %v", partition, r.Offset, want, o)
			}
			delete(acks[partition], r.Offset)
			left--
			return left > 0
		})
	}
	for partition, missing := range acks {
		if len(missing) > 0 {
			c.complain("partition %d, which ends at %d, lacks %d acknowledged records", partition, ends[partition], len(missing))
		}
	}
	log.Printf("read %d records; %d were acknowledged; %d repeated by writers that may", c.records(), acknowledged, c.repeated())
	exitWith(c.wrong)
}

// printProducerIDs asks for new producer ids, as idempotent producers do when they start.
func printProducerIDs(count int) {
	client, err := kgo.NewClient(kgo.SeedBrokers(*broker))
	must(err, "franz-go")
	defer client.Close()
	for count > 0 {
		request := kmsg.NewPtrInitProducerIDRequest()
		request.ProducerID, request.ProducerEpoch = -1, -1
		answer, err := request.RequestWith(context.Background(), client)
		must(err, "InitProducerId")
		if err := kerr.ErrorForCode(answer.ErrorCode); kerr.IsRetriable(err) {
			time.Sleep(50 * time.Millisecond)
			continue
		} else {
			must(err, "InitProducerId")
		}
		fmt.Println(answer.ProducerID, answer.ProducerEpoch)
		count--
	}
}
