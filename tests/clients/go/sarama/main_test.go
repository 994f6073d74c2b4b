// Package sarama runs IBM/sarama's producers, partition consumer and ClusterAdmin against the broker in $BROKER: the
// newest version, and by oldest.mod 1.27.1, the first that by default sends what Kafka 4 takes.
package sarama

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"millstream/clients/internal/harness"
)

// config answers the defaults for the protocol of a Kafka version, with every answer handed out.
func config(version sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = version
	c.ClientID = "millstream-test"
	c.Producer.Return.Successes = true
	c.Producer.MaxMessageBytes = 7 << 20
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Flush.MaxMessages = 100
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	return c
}

// byDefault is the version that this sarama takes a broker for unless told.
func byDefault() *sarama.Config { return config(sarama.NewConfig().Version) }

func client(t *testing.T, c *sarama.Config) sarama.Client {
	t.Helper()
	made, err := sarama.NewClient([]string{harness.Broker(t)}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made
}

func send(t *testing.T, c *sarama.Config, messages []*sarama.ProducerMessage) error {
	t.Helper()
	producer, err := sarama.NewSyncProducer([]string{harness.Broker(t)}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := producer.Close(); err != nil {
			t.Error(err)
		}
	}()
	return producer.SendMessages(messages)
}

// numbered sends count records, a second of record time apart, and answers the first one's time.
func numbered(t *testing.T, topic string, count int) time.Time {
	t.Helper()
	start := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())
	var messages []*sarama.ProducerMessage
	for n := range count {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Value: sarama.ByteEncoder(harness.Sequence(n)), Timestamp: start.Add(time.Duration(n) * time.Second),
		})
	}
	if err := send(t, byDefault(), messages); err != nil {
		t.Fatal(err)
	}
	for n, message := range messages {
		if message.Offset != int64(n) {
			t.Fatalf("record %d was acknowledged at offset %d", n, message.Offset)
		}
	}
	return start
}

// consume reads count records of partition 0 from an offset, and checks that no offset is left out.
func consume(t *testing.T, c *sarama.Config, topic string, from int64, count int) []*sarama.ConsumerMessage {
	t.Helper()
	consumer, err := sarama.NewConsumerFromClient(client(t, c))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, from)
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close()
	var messages []*sarama.ConsumerMessage
	until := time.After(60 * time.Second)
	for len(messages) < count {
		select {
		case message := <-partition.Messages():
			if len(messages) > 0 && message.Offset != messages[0].Offset+int64(len(messages)) {
				t.Fatalf("offset %d where %d should come", message.Offset, messages[0].Offset+int64(len(messages)))
			}
			messages = append(messages, message)
		case err := <-partition.Errors():
			t.Fatalf("after %d of %d records: %v", len(messages), count, err)
		case <-until:
			t.Fatalf("only %d of %d records came within a minute", len(messages), count)
		}
	}
	return messages
}

func encoder(value []byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(value)
}

func encoded(value sarama.Encoder) []byte {
	if value == nil {
		return nil
	}
	bytes, _ := value.Encode()
	return bytes
}

func compare(t *testing.T, sent *sarama.ProducerMessage, got *sarama.ConsumerMessage) {
	t.Helper()
	same := func(sent sarama.Encoder, got []byte) bool {
		return bytes.Equal(encoded(sent), got) && (sent == nil) == (got == nil)
	}
	if !same(sent.Key, got.Key) || !same(sent.Value, got.Value) {
		t.Errorf("offset %d: sent key %q, %s; got key %q, %s", got.Offset, encoded(sent.Key), harness.Sum(encoded(sent.Value)), got.Key, harness.Sum(got.Value))
	}
	if !got.Timestamp.Equal(sent.Timestamp) {
		t.Errorf("offset %d: sent at %v, got %v", got.Offset, sent.Timestamp, got.Timestamp)
	}
	if len(sent.Headers) != len(got.Headers) {
		t.Fatalf("offset %d: %d headers became %d", got.Offset, len(sent.Headers), len(got.Headers))
	}
	for i, header := range sent.Headers {
		have := got.Headers[i]
		if !bytes.Equal(header.Key, have.Key) || !bytes.Equal(header.Value, have.Value) || (header.Value == nil) != (have.Value == nil) {
			t.Errorf("offset %d: header %q=%q became %q=%q", got.Offset, header.Key, header.Value, have.Key, have.Value)
		}
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 200 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("within 10 s: %s", what)
}

func is(err error, kafka sarama.KError) bool {
	var topic *sarama.TopicError
	if errors.As(err, &topic) {
		return topic.Err == kafka
	}
	return errors.Is(err, kafka)
}
