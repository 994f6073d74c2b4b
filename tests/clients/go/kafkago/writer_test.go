package kafkago

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"millstream/clients/internal/harness"
)

func newWriter(t *testing.T, topic string) *kafka.Writer {
	transport := &kafka.Transport{}
	writer := &kafka.Writer{
		Addr: kafka.TCP(harness.Broker(t)), Topic: topic, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 5 * time.Millisecond, BatchBytes: 7 << 20, Transport: transport,
		ErrorLogger: kafka.LoggerFunc(t.Logf),
	}
	t.Cleanup(func() {
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return writer
}

func TestEqualKeysStayOnOnePartitionInOrder(t *testing.T) {
	balancers := map[string]kafka.Balancer{
		"Hash": &kafka.Hash{}, "ReferenceHash": &kafka.ReferenceHash{},
		"CRC32": kafka.CRC32Balancer{}, "Murmur2": kafka.Murmur2Balancer{},
	}
	for name, balancer := range balancers {
		t.Run(name, func(t *testing.T) {
			partitionOf, nextOf := map[string]int{}, map[string]int{}
			total := writeAndCollect(t, balancer, func(partition int, m kafka.Message) {
				key := string(m.Key)
				if before, seen := partitionOf[key]; seen && before != partition {
					t.Fatalf("key %s on partitions %d and %d", key, before, partition)
				}
				partitionOf[key] = partition
				if n := harness.Number(m.Value); n != nextOf[key] {
					t.Fatalf("key %s: number %d where %d should come", key, n, nextOf[key])
				}
				nextOf[key]++
			})
			if total != keys*perKey || len(partitionOf) != keys {
				t.Fatalf("%d messages of %d keys came back", total, len(partitionOf))
			}
		})
	}
}

func TestSpreadingBalancersUseEachPartitionAndLoseNothing(t *testing.T) {
	for name, balancer := range map[string]kafka.Balancer{"RoundRobin": &kafka.RoundRobin{}, "LeastBytes": &kafka.LeastBytes{}} {
		t.Run(name, func(t *testing.T) {
			seen, perPartition := map[string]bool{}, map[int]int{}
			total := writeAndCollect(t, balancer, func(partition int, m kafka.Message) {
				seen[fmt.Sprintf("%s/%d", m.Key, harness.Number(m.Value))] = true
				perPartition[partition]++
			})
			if total != keys*perKey || len(seen) != total {
				t.Fatalf("%d messages, %d different", total, len(seen))
			}
			for partition := range partitions {
				if perPartition[partition] < total/partitions/2 {
					t.Errorf("partition %d got %d of %d", partition, perPartition[partition], total)
				}
			}
		})
	}
}

const keys, perKey, partitions = 50, 20, 6

// writeAndCollect writes keys x perKey numbered messages through balancer, in several calls, and visits
// what the partitions then hold. It answers their number.
func writeAndCollect(t *testing.T, balancer kafka.Balancer, visit func(int, kafka.Message)) int {
	topic := newTopic(t, partitions)
	writer := newWriter(t, topic)
	writer.Balancer = balancer
	for n := range perKey {
		var messages []kafka.Message
		for key := range keys {
			messages = append(messages, kafka.Message{Key: fmt.Appendf(nil, "key-%d", key), Value: harness.Sequence(n)})
		}
		if err := writer.WriteMessages(deadline(t), messages...); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for partition := range partitions {
		for _, message := range readAll(t, topic, partition) {
			visit(partition, message)
			total++
		}
	}
	return total
}

func TestEveryCodecCarriesEverySize(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			topic := newTopic(t, 1, largeRecords())
			writer := newWriter(t, topic)
			writer.Compression = codec
			var sent []kafka.Message
			for i, size := range harness.Sizes {
				// One call for each, so that small ones travel alone and large ones fit.
				one := []kafka.Message{{
					Key: fmt.Appendf(nil, "key-%d", i), Value: harness.Value(int64(i), size),
					Headers: []kafka.Header{{Key: "size", Value: fmt.Append(nil, size)}, {Key: "empty", Value: []byte{}}},
					Time:    time.UnixMilli(time.Now().UnixMilli()),
				}}
				if size < 65536 {
					one = append(one, kafka.Message{Value: []byte("no key")}, kafka.Message{Key: []byte("no value")}, kafka.Message{})
				}
				if err := writer.WriteMessages(deadline(t), one...); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				sent = append(sent, one...)
			}
			compare(t, sent, readAll(t, topic, 0))
		})
	}
}

var codecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func compare(t *testing.T, sent, got []kafka.Message) {
	t.Helper()
	if len(sent) != len(got) {
		t.Fatalf("%d messages were sent, %d came back", len(sent), len(got))
	}
	for i, want := range sent {
		have := got[i]
		if !same(want.Key, have.Key) || !same(want.Value, have.Value) {
			t.Errorf("message %d: sent key %q, %s; got key %q, %s", i, want.Key, harness.Sum(want.Value), have.Key, harness.Sum(have.Value))
		}
		if len(want.Headers) != len(have.Headers) {
			t.Errorf("message %d: %d headers became %d", i, len(want.Headers), len(have.Headers))
			continue
		}
		for h := range want.Headers {
			if want.Headers[h].Key != have.Headers[h].Key || !bytes.Equal(want.Headers[h].Value, have.Headers[h].Value) {
				t.Errorf("message %d: header %v became %v", i, want.Headers[h], have.Headers[h])
			}
		}
		if !want.Time.IsZero() && !want.Time.Equal(have.Time) {
			t.Errorf("message %d: time %v became %v", i, want.Time, have.Time)
		}
	}
}

// same tells a null from an empty string, too.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func TestWriterWithoutAcknowledgementsDelivers(t *testing.T) {
	topic := newTopic(t, 1)
	writer := newWriter(t, topic)
	writer.RequiredAcks = kafka.RequireNone
	for n := range 100 {
		if err := writer.WriteMessages(deadline(t), kafka.Message{Value: harness.Sequence(n)}); err != nil {
			t.Fatal(err)
		}
	}
	for n, message := range read(t, topic, 0, 0, 100) {
		if harness.Number(message.Value) != n {
			t.Fatalf("message %d is number %d", n, harness.Number(message.Value))
		}
	}
}

func TestTooLargeARecordIsRefusedAndTheNextAccepted(t *testing.T) {
	topic := newTopic(t, 1)
	writer := newWriter(t, topic)
	writer.MaxAttempts = 1
	err := writer.WriteMessages(deadline(t), kafka.Message{Value: harness.Value(1, 2<<20)})
	if err == nil {
		t.Fatal("2 MiB went into a topic of max.message.bytes 1 MiB")
	}
	if err := writer.WriteMessages(deadline(t), kafka.Message{Value: []byte("small")}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, topic, 0); len(got) != 1 || string(got[0].Value) != "small" {
		t.Fatalf("the partition holds %d messages", len(got))
	}
}

func TestWriterCreatesItsTopic(t *testing.T) {
	topic := harness.Topic(t)
	writer := newWriter(t, topic)
	writer.AllowAutoTopicCreation = true
	var err error
	for range 20 { // The first attempts may meet a topic that is still being made.
		if err = writer.WriteMessages(deadline(t), kafka.Message{Value: []byte("first")}); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, topic, 0); string(got[len(got)-1].Value) != "first" {
		t.Fatal("the message did not come back")
	}
}
