package sarama

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"millstream/clients/internal/harness"
)

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func TestEveryCodecAndAcknowledgementCarriesEverySize(t *testing.T) {
	harness.AwaitProducerIDs(t)
	acks := map[string]func(*sarama.Config){
		"all":    func(c *sarama.Config) { c.Producer.RequiredAcks = sarama.WaitForAll },
		"leader": func(c *sarama.Config) { c.Producer.RequiredAcks = sarama.WaitForLocal },
		"none":   func(c *sarama.Config) { c.Producer.RequiredAcks = sarama.NoResponse },
		"idempotent": func(c *sarama.Config) {
			c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
		},
	}
	versions := map[string]*sarama.Config{"default": byDefault(), "newest": config(sarama.MaxVersion)}
	for protocol, base := range versions {
		for codec, compression := range codecs {
			for ack, set := range acks {
				t.Run(protocol+"/"+codec+"/acks "+ack, func(t *testing.T) {
					c := *base
					if compression == sarama.CompressionZSTD && !c.Version.IsAtLeast(sarama.V2_1_0_0) {
						c.Version = sarama.V2_1_0_0 // It refuses to send zstd to earlier ones.
					}
					c.Producer.Compression = compression
					set(&c)
					sizes := harness.Sizes
					if protocol == "default" {
						sizes = sizes[:len(sizes)-2]
					}
					topic := harness.NewTopic(t, 1, map[string]string{"max.message.bytes": harness.MaxMessageBytes})
					sent := samples(topic, sizes)
					if err := send(t, &c, sent); err != nil {
						t.Fatal(err)
					}
					for i, got := range consume(t, &c, topic, 0, len(sent)) {
						if ack != "none" && sent[i].Offset != int64(i) {
							t.Errorf("record %d was acknowledged at offset %d", i, sent[i].Offset)
						}
						compare(t, sent[i], got)
					}
					harness.CheckStored(t, topic, codec, ack == "idempotent")
				})
			}
		}
	}
}

func samples(topic string, sizes []int) []*sarama.ProducerMessage {
	var messages []*sarama.ProducerMessage
	at := time.UnixMilli(time.Now().UnixMilli())
	add := func(key, value []byte, headers ...sarama.RecordHeader) {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Key: encoder(key), Value: encoder(value), Headers: headers,
			Timestamp: at.Add(time.Duration(len(messages)) * time.Millisecond),
		})
	}
	for i, size := range sizes {
		add(fmt.Appendf(nil, "key-%d", i), harness.Value(int64(i), size),
			sarama.RecordHeader{Key: []byte("size"), Value: fmt.Append(nil, size)},
			sarama.RecordHeader{Key: []byte("null")}, sarama.RecordHeader{Key: []byte("empty"), Value: []byte{}})
		add(nil, []byte("no key"))
		add([]byte("no value"), nil)
		add(nil, nil)
		add([]byte{}, []byte{})
	}
	return messages
}

func TestAnAsynchronousProducerKeepsTheOrderOfEachPartition(t *testing.T) {
	const partitions, perPartition = 4, 2000
	topic := harness.NewTopic(t, partitions, nil)
	c := config(sarama.MaxVersion)
	c.Producer.RequiredAcks, c.Producer.Idempotent, c.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	c.Producer.Compression = sarama.CompressionLZ4
	c.Producer.Flush.MaxMessages = 0
	producer, err := sarama.NewAsyncProducer([]string{harness.Broker(t)}, c)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for n := range perPartition {
			for p := range int32(partitions) {
				producer.Input() <- &sarama.ProducerMessage{Topic: topic, Partition: p, Value: sarama.ByteEncoder(harness.Sequence(n))}
			}
		}
		producer.AsyncClose()
	}()
	failed := make(chan error, 1)
	go func() {
		for err := range producer.Errors() {
			select {
			case failed <- err:
			default:
			}
		}
		close(failed)
	}()
	next := [partitions]int64{}
	for message := range producer.Successes() {
		number := int64(harness.Number(encoded(message.Value)))
		if message.Offset != number || number != next[message.Partition] {
			t.Fatalf("partition %d: number %d at offset %d where %d should come", message.Partition, number, message.Offset, next[message.Partition])
		}
		next[message.Partition]++
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	for p, count := range next {
		if count != perPartition {
			t.Errorf("partition %d got %d records", p, count)
		}
	}
}

func TestConsumptionStartsAtAnyOffset(t *testing.T) {
	topic := harness.NewTopic(t, 1, nil)
	numbered(t, topic, 1000)
	for _, from := range []int64{0, 1, 499, 998, 999, sarama.OffsetOldest} {
		got := consume(t, byDefault(), topic, from, int(1000-max(from, 0)))
		if got[0].Offset != max(from, 0) || int64(harness.Number(got[0].Value)) != got[0].Offset {
			t.Errorf("from %d: offset %d, number %d", from, got[0].Offset, harness.Number(got[0].Value))
		}
	}
}

func TestAConsumerAtTheEndWaitsForWhatComes(t *testing.T) {
	topic := harness.NewTopic(t, 1, nil)
	numbered(t, topic, 5)
	consumer, err := sarama.NewConsumerFromClient(client(t, byDefault()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetNewest)
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close()
	select {
	case message := <-partition.Messages():
		t.Fatalf("a record came from behind the end: offset %d", message.Offset)
	case err := <-partition.Errors():
		t.Fatal(err)
	case <-time.After(time.Second):
	}
	numberedAgain := []*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("late")}}
	if err := send(t, byDefault(), numberedAgain); err != nil {
		t.Fatal(err)
	}
	select {
	case message := <-partition.Messages():
		if message.Offset != 5 || string(message.Value) != "late" || partition.HighWaterMarkOffset() != 6 {
			t.Errorf("offset %d, %q, high watermark %d", message.Offset, message.Value, partition.HighWaterMarkOffset())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("what came was not delivered")
	}
}

func TestOffsetsAreFoundByTimeAndAtTheEnds(t *testing.T) {
	topic := harness.NewTopic(t, 1, nil)
	start := numbered(t, topic, 100)
	for protocol, c := range map[string]*sarama.Config{"default": byDefault(), "newest": config(sarama.MaxVersion)} {
		seeker := client(t, c)
		for at, offset := range map[int64]int64{
			sarama.OffsetOldest: 0, sarama.OffsetNewest: 100, 0: 0,
			start.UnixMilli() + 41_500: 42, start.UnixMilli() + 42_000: 42, start.UnixMilli() + 99_000: 99,
		} {
			if got, err := seeker.GetOffset(topic, 0, at); err != nil || got != offset {
				t.Errorf("%s: time %d gave offset %d, %v; expected %d", protocol, at, got, err, offset)
			}
		}
	}
}

func TestALogAppendTimeTopicStampsItsRecords(t *testing.T) {
	topic, before := harness.NewTopic(t, 1, map[string]string{"message.timestamp.type": "LogAppendTime"}), time.Now()
	if err := send(t, byDefault(), []*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("x"), Timestamp: time.UnixMilli(5)}}); err != nil {
		t.Fatal(err)
	}
	if got := consume(t, byDefault(), topic, 0, 1)[0].Timestamp; got.Before(before.Add(-time.Second)) {
		t.Errorf("it carries %v", got)
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	topic := harness.NewTopic(t, 1, map[string]string{"max.message.bytes": "10000"})
	err := send(t, byDefault(), []*sarama.ProducerMessage{{Topic: topic, Value: sarama.ByteEncoder(harness.Value(1, 20000))}})
	failures, is := err.(sarama.ProducerErrors)
	if !is || failures[0].Err != sarama.ErrMessageSizeTooLarge {
		t.Errorf("a record beyond max.message.bytes: %v", err)
	}
	if err := send(t, byDefault(), []*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("small")}}); err != nil {
		t.Error(err)
	}
	consumer, err := sarama.NewConsumerFromClient(client(t, byDefault()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	if _, err := consumer.ConsumePartition(topic, 0, 5000); err != sarama.ErrOffsetOutOfRange {
		t.Errorf("an offset beyond the end: %v", err)
	}
}
