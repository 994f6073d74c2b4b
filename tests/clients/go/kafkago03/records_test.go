//go:build oldest

// Package kafkago03 runs kafka-go's Writer, Reader and Conn in the way of version 0.3.0 against the broker in $BROKER. That
// version, which oldest.mod has, is the first whose records and fetches Kafka 4 takes; its CreateTopics is too old.
package kafkago03

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/gzip"
	"github.com/segmentio/kafka-go/lz4"
	"github.com/segmentio/kafka-go/snappy"
	"github.com/segmentio/kafka-go/zstd"

	"millstream/clients/internal/harness"
)

var codecs = map[string]kafka.CompressionCodec{
	"none": nil, "gzip": gzip.NewCompressionCodec(), "snappy": snappy.NewCompressionCodec(),
	"lz4": lz4.NewCompressionCodec(), "zstd": zstd.NewCompressionCodec(),
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func write(t *testing.T, topic string, acks int, codec kafka.CompressionCodec, messages ...kafka.Message) error {
	t.Helper()
	writer := kafka.NewWriter(kafka.WriterConfig{
		Brokers: []string{harness.Broker(t)}, Topic: topic, RequiredAcks: acks, CompressionCodec: codec,
		BatchTimeout: 5 * time.Millisecond, BatchBytes: 7 << 20, MaxAttempts: 1,
	})
	defer writer.Close()
	return writer.WriteMessages(deadline(t), messages...)
}

func read(t *testing.T, topic string, from int64, count int) []kafka.Message {
	t.Helper()
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{harness.Broker(t)}, Topic: topic, MinBytes: 1, MaxBytes: 16 << 20, MaxWait: 500 * time.Millisecond,
	})
	defer reader.Close()
	if err := reader.SetOffset(from); err != nil {
		t.Fatal(err)
	}
	var messages []kafka.Message
	for len(messages) < count {
		message, err := reader.ReadMessage(deadline(t))
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(messages), count, err)
		}
		if want := from + int64(len(messages)); message.Offset != want {
			t.Fatalf("offset %d where %d should come", message.Offset, want)
		}
		messages = append(messages, message)
	}
	return messages
}

func dial(t *testing.T, topic string) *kafka.Conn {
	t.Helper()
	conn, err := kafka.DialLeader(deadline(t), "tcp", harness.Broker(t), topic, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

func compare(t *testing.T, sent, got kafka.Message) {
	t.Helper()
	// It does not tell a null from an empty string.
	if !bytes.Equal(sent.Key, got.Key) || !bytes.Equal(sent.Value, got.Value) {
		t.Errorf("offset %d: sent key %q, %s; got key %q, %s", got.Offset, sent.Key, harness.Sum(sent.Value), got.Key, harness.Sum(got.Value))
	}
	if fmt.Sprint(sent.Headers) != fmt.Sprint(got.Headers) || !sent.Time.Equal(got.Time) {
		t.Errorf("offset %d: sent headers %v at %v, got %v at %v", got.Offset, sent.Headers, sent.Time, got.Headers, got.Time)
	}
}

func samples(sizes []int) []kafka.Message {
	at := time.UnixMilli(time.Now().UnixMilli())
	var messages []kafka.Message
	for i, size := range sizes {
		messages = append(messages,
			kafka.Message{Key: fmt.Appendf(nil, "key-%d", i), Value: harness.Value(int64(i), size), Headers: []kafka.Header{{Key: "size", Value: fmt.Append(nil, size)}, {Key: "empty", Value: []byte{}}}, Time: at},
			kafka.Message{Value: []byte("no key"), Time: at.Add(time.Millisecond)}, kafka.Message{Key: []byte("no value"), Time: at},
		)
	}
	return messages
}

func TestEveryCodecAndAcknowledgementCarriesEverySize(t *testing.T) {
	for name, codec := range codecs {
		// Version 0.3.0 cannot ask for no acknowledgement: 0 stands for all.
		for ack, acks := range map[string]int{"all": -1, "leader": 1} {
			t.Run(name+"/acks "+ack, func(t *testing.T) {
				topic := harness.NewTopic(t, 1, map[string]string{"max.message.bytes": harness.MaxMessageBytes})
				sent := samples(harness.Sizes[:len(harness.Sizes)-2])
				if err := write(t, topic, acks, codec, sent...); err != nil {
					t.Fatal(err)
				}
				for _, size := range harness.Sizes[len(harness.Sizes)-2:] {
					large := samples([]int{size})[0]
					if err := write(t, topic, acks, codec, large); err != nil {
						t.Fatalf("%d bytes: %v", size, err)
					}
					sent = append(sent, large)
				}
				for i, got := range read(t, topic, 0, len(sent)) {
					compare(t, sent[i], got)
				}
				harness.CheckStored(t, topic, name, false)
			})
		}
	}
}

func TestConnWritesWithEachAcknowledgement(t *testing.T) {
	topic := harness.NewTopic(t, 1, nil)
	for n, acks := range []int{-1, 1, -1} {
		conn := dial(t, topic)
		if err := conn.SetRequiredAcks(acks); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.WriteMessages(kafka.Message{Value: harness.Sequence(n)}); err != nil {
			t.Fatal(err)
		}
	}
	for n, message := range read(t, topic, 0, 3) {
		if harness.Number(message.Value) != n {
			t.Errorf("message %d is number %d", n, harness.Number(message.Value))
		}
	}
}

func TestConnSeeksReadsAndFindsOffsets(t *testing.T) {
	topic := harness.NewTopic(t, 1, nil)
	start := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())
	var messages []kafka.Message
	for n := range 300 {
		messages = append(messages, kafka.Message{Value: harness.Sequence(n), Time: start.Add(time.Duration(n) * time.Second)})
	}
	if err := write(t, topic, -1, nil, messages...); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, topic)
	if first, last, err := conn.ReadOffsets(); err != nil || first != 0 || last != 300 {
		t.Fatalf("offsets %d to %d, %v", first, last, err)
	}
	for at, offset := range map[time.Duration]int64{0: 0, 41_500 * time.Millisecond: 42, 299 * time.Second: 299} {
		if got, err := conn.ReadOffset(start.Add(at)); err != nil || got != offset {
			t.Errorf("after %v: offset %d, %v; expected %d", at, got, err, offset)
		}
	}
	for _, from := range []int64{0, 1, 150, 299} {
		if _, err := conn.Seek(from, kafka.SeekAbsolute); err != nil {
			t.Fatal(err)
		}
		batch, next := conn.ReadBatch(1, 1<<20), from
		for {
			message, err := batch.ReadMessage()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if message.Offset != next || harness.Number(message.Value) != int(next) {
				t.Fatalf("offset %d, number %d where %d should be", message.Offset, harness.Number(message.Value), next)
			}
			next++
		}
		if err := batch.Close(); err != nil || next != 300 {
			t.Fatalf("from %d the batch ended at %d, %v", from, next, err)
		}
	}
	if partitions, err := conn.ReadPartitions(topic); err != nil || len(partitions) != 1 || partitions[0].Leader.ID != 1 {
		t.Errorf("partitions %+v, %v", partitions, err)
	}
	if controller, err := conn.Controller(); err != nil || controller.ID != 1 {
		t.Errorf("controller %+v, %v", controller, err)
	}
}

func TestTooLargeARecordIsRefused(t *testing.T) {
	topic := harness.NewTopic(t, 1, map[string]string{"max.message.bytes": "10000"})
	if err := write(t, topic, -1, nil, kafka.Message{Value: harness.Value(1, 20000)}); !errors.Is(err, kafka.MessageSizeTooLarge) {
		t.Errorf("it said %v", err)
	}
	if err := write(t, topic, -1, nil, kafka.Message{Value: []byte("small")}); err != nil {
		t.Error(err)
	}
}
