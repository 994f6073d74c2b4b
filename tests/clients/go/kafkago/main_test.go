// Package kafkago runs segmentio/kafka-go's Writer, Reader, Conn and Client against the broker in $BROKER.
package kafkago

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"millstream/clients/internal/harness"
)

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T) *kafka.Client {
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(harness.Broker(t)), Timeout: 30 * time.Second, Transport: transport}
}

// newTopic creates a topic and waits until each partition has a leader.
func newTopic(t *testing.T, partitions int, configs ...kafka.ConfigEntry) string {
	name := harness.Topic(t)
	answer, err := client(t).CreateTopics(deadline(t), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Errors[name]; err != nil {
		t.Fatal(err)
	}
	awaitTopic(t, name, partitions)
	return name
}

func awaitTopic(t *testing.T, name string, partitions int) {
	for range 100 {
		meta, err := client(t).Metadata(deadline(t), &kafka.MetadataRequest{Topics: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if topic := meta.Topics[0]; topic.Error == nil && len(topic.Partitions) == partitions && led(topic) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("topic %s has no leaders", name)
}

func led(topic kafka.Topic) bool {
	for _, p := range topic.Partitions {
		if p.Error != nil || p.Leader.Host == "" {
			return false
		}
	}
	return true
}

func largeRecords() kafka.ConfigEntry {
	return kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: harness.MaxMessageBytes}
}

func dialLeader(t *testing.T, topic string, partition int) *kafka.Conn {
	conn, err := kafka.DialLeader(deadline(t), "tcp", harness.Broker(t), topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// readAll reads a partition with a Reader from its first offset to its end.
func readAll(t *testing.T, topic string, partition int) []kafka.Message {
	conn := dialLeader(t, topic, partition)
	first, last, err := conn.ReadOffsets()
	if err != nil {
		t.Fatal(err)
	}
	return read(t, topic, partition, first, int(last-first))
}

func read(t *testing.T, topic string, partition int, from int64, count int) []kafka.Message {
	reader := newReader(t, topic, partition)
	if err := reader.SetOffset(from); err != nil {
		t.Fatal(err)
	}
	messages := make([]kafka.Message, 0, count)
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

func newReader(t *testing.T, topic string, partition int) *kafka.Reader {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{harness.Broker(t)}, Topic: topic, Partition: partition,
		MinBytes: 1, MaxBytes: 16 << 20, MaxWait: 500 * time.Millisecond,
		ErrorLogger: kafka.LoggerFunc(t.Logf),
	})
	t.Cleanup(func() {
		if err := reader.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return reader
}
