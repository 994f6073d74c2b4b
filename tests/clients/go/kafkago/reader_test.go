package kafkago

import (
	"context"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"millstream/clients/internal/harness"
)

// numbered writes count messages, a second of record time apart, and answers the first one's time.
func numbered(t *testing.T, topic string, count int) time.Time {
	start := time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())
	writer := newWriter(t, topic)
	var messages []kafka.Message
	for n := range count {
		messages = append(messages, kafka.Message{Value: harness.Sequence(n), Time: start.Add(time.Duration(n) * time.Second)})
	}
	if err := writer.WriteMessages(deadline(t), messages...); err != nil {
		t.Fatal(err)
	}
	return start
}

func TestReaderStartsAtAnOffsetATimeAndTheEnds(t *testing.T) {
	topic := newTopic(t, 1)
	start := numbered(t, topic, 1000)

	reader := newReader(t, topic, 0)
	expect := func(n int) {
		t.Helper()
		message, err := reader.ReadMessage(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := harness.Number(message.Value); got != n || message.Offset != int64(n) {
			t.Fatalf("number %d at offset %d where %d should be", got, message.Offset, n)
		}
	}
	expect(0)
	expect(1)
	reader.SetOffset(637)
	expect(637)
	if err := reader.SetOffsetAt(deadline(t), start.Add(250*time.Second)); err != nil {
		t.Fatal(err)
	}
	expect(250)
	reader.SetOffset(kafka.FirstOffset)
	expect(0)
	if lag, err := reader.ReadLag(deadline(t)); err != nil || lag != 999 {
		t.Fatalf("lag %d, %v", lag, err)
	}
}

func TestReaderAtTheEndWaitsForWhatComes(t *testing.T) {
	topic := newTopic(t, 1)
	numbered(t, topic, 3)
	reader := newReader(t, topic, 0)
	reader.SetOffset(3)

	quiet, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	if message, err := reader.ReadMessage(quiet); err == nil {
		t.Fatalf("a message came from behind the end: offset %d", message.Offset)
	}
	before := reader.Stats()
	go func() {
		time.Sleep(200 * time.Millisecond)
		writer := newWriter(t, topic)
		writer.WriteMessages(context.Background(), kafka.Message{Value: harness.Sequence(3)})
	}()
	message, err := reader.ReadMessage(deadline(t))
	if err != nil || message.Offset != 3 {
		t.Fatalf("offset %d, %v", message.Offset, err)
	}
	if before.Errors > 0 {
		t.Errorf("the reader met %d errors while it waited: its connection broke", before.Errors)
	}
}
