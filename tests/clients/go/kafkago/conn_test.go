package kafkago

import (
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"millstream/clients/internal/harness"
)

func TestConnAdministersTopics(t *testing.T) {
	conn, err := kafka.Dial("tcp", harness.Broker(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))

	name := harness.Topic(t)
	if err := conn.CreateTopics(kafka.TopicConfig{Topic: name, NumPartitions: 3, ReplicationFactor: 1}); err != nil {
		t.Fatal(err)
	}
	awaitTopic(t, name, 3)
	if err := conn.CreateTopics(kafka.TopicConfig{Topic: name, NumPartitions: 3, ReplicationFactor: 1}); err != nil && err != kafka.TopicAlreadyExists {
		t.Errorf("a second creation said %v", err)
	}
	partitions, err := conn.ReadPartitions(name)
	if err != nil || len(partitions) != 3 {
		t.Fatalf("%d partitions, %v", len(partitions), err)
	}
	all, err := conn.ReadPartitions()
	if err != nil || len(all) < 3 {
		t.Fatalf("%d partitions in all, %v", len(all), err)
	}
	if brokers, err := conn.Brokers(); err != nil || len(brokers) != 1 {
		t.Errorf("brokers %v, %v", brokers, err)
	}
	if _, err := conn.Controller(); err != nil {
		t.Error(err)
	}
	versions, err := conn.ApiVersions()
	if err != nil || len(versions) < 8 {
		t.Errorf("%d API versions, %v", len(versions), err)
	}
	if err := conn.DeleteTopics(name); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if partitions, err = conn.ReadPartitions(); err != nil {
			t.Fatal(err)
		}
		if !holds(partitions, name) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the deleted topic is still listed")
}

func holds(partitions []kafka.Partition, topic string) bool {
	for _, p := range partitions {
		if p.Topic == topic {
			return true
		}
	}
	return false
}

func TestConnWritesAndReadsBatches(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			conn := dialLeader(t, newTopic(t, 1), 0)
			write := func(messages ...kafka.Message) error {
				if codec == 0 {
					_, err := conn.WriteMessages(messages...)
					return err
				}
				_, err := conn.WriteCompressedMessages(codec.Codec(), messages...)
				return err
			}
			for n := 0; n < 300; n += 3 {
				if err := write(kafka.Message{Value: harness.Sequence(n)}, kafka.Message{Value: harness.Sequence(n + 1)}, kafka.Message{Value: harness.Sequence(n + 2)}); err != nil {
					t.Fatal(err)
				}
			}
			first, last, err := conn.ReadOffsets()
			if err != nil || first != 0 || last != 300 {
				t.Fatalf("offsets %d to %d, %v", first, last, err)
			}
			// In the middle of a batch, too: the client skips to what it asked for.
			for _, from := range []int64{0, 1, 150, 299} {
				if _, err := conn.Seek(from, kafka.SeekAbsolute); err != nil {
					t.Fatal(err)
				}
				batch := conn.ReadBatch(1, 1<<20)
				next := from
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
				if err := batch.Close(); err != nil {
					t.Fatal(err)
				}
				if next != 300 {
					t.Fatalf("from %d the batch ended at %d", from, next)
				}
			}
		})
	}
}

func TestConnFindsOffsetsByTime(t *testing.T) {
	topic := newTopic(t, 1)
	start := numbered(t, topic, 100)
	conn := dialLeader(t, topic, 0)
	for _, n := range []int{0, 1, 42, 99} {
		for _, early := range []time.Duration{0, 400 * time.Millisecond} {
			at := start.Add(time.Duration(n)*time.Second - early)
			if offset, err := conn.ReadOffset(at); err != nil || offset != int64(n) {
				t.Errorf("time of %d less %v gave offset %d, %v", n, early, offset, err)
			}
		}
	}
	if offset, err := conn.ReadFirstOffset(); err != nil || offset != 0 {
		t.Errorf("first offset %d, %v", offset, err)
	}
	if offset, err := conn.ReadLastOffset(); err != nil || offset != 100 {
		t.Errorf("last offset %d, %v", offset, err)
	}
}

func TestConnLearnsThatAnOffsetIsOutOfRange(t *testing.T) {
	topic := newTopic(t, 1)
	numbered(t, topic, 10)
	conn := dialLeader(t, topic, 0)
	if _, err := conn.Seek(500, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
		t.Fatal(err)
	}
	batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond})
	if err := batch.Err(); err != kafka.OffsetOutOfRange {
		t.Fatalf("a fetch beyond the end said %v", err)
	}
	batch.Close()
}
