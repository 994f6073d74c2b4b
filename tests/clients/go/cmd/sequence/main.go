// Sequence sends one batch of two records as a given idempotent producer would, and prints the answer:
//
//	sequence -broker HOST:PORT -topic T -producer 77 -sequence 0 -at MS     prints: ok, offset 12
//
// A batch sent again must be answered with the offset it has; a gap must be refused.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"hash/crc32"
	"log"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millstream/clients/internal/stream"
)

var (
	broker   = flag.String("broker", "", "address of the broker")
	topic    = flag.String("topic", "", "topic")
	producer = flag.Int64("producer", 0, "producer id")
	sequence = flag.Int("sequence", 0, "the batch's first sequence")
	at       = flag.Int64("at", 0, "the records' time in ms; one that is a day old lets the broker forget the producer")
)

func main() {
	flag.Parse()
	request := kmsg.NewPtrProduceRequest()
	request.SetVersion(9)
	request.Acks, request.TimeoutMillis = -1, 10_000
	request.Topics = []kmsg.ProduceRequestTopic{{
		Topic: *topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 0, Records: batch()}},
	}}
	conn, err := net.Dial("tcp", *broker)
	must(err)
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, request, 1))
	must(err)
	frame, err := stream.Frame(conn)
	must(err)
	answer := kmsg.NewPtrProduceResponse()
	answer.SetVersion(9)
	must(answer.ReadFrom(frame[5:])) // correlation id and an empty tag section
	p := answer.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		fmt.Println(kerr.ErrorForCode(p.ErrorCode).(*kerr.Error).Message)
		return
	}
	fmt.Printf("ok, offset %d\n", p.BaseOffset)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// batch is a record batch v2; the same arguments make the same bytes.
func batch() []byte {
	records := []byte{}
	for delta := range 2 {
		value := fmt.Appendf(nil, "sequence %d", *sequence+delta)
		record := kmsg.Record{OffsetDelta: int32(delta), Value: value}
		record.Length = int32(len(record.AppendTo(nil)) - 1) // less its own length byte
		records = record.AppendTo(records)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: 1, FirstTimestamp: *at, MaxTimestamp: *at,
		ProducerID: *producer, ProducerEpoch: 0, FirstSequence: int32(*sequence), NumRecords: 2, Records: records,
	}
	out := b.AppendTo(nil)
	binary.BigEndian.PutUint32(out[8:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}
