// Package harness holds what the client tests share: the broker's address and files, topics, record payloads.
package harness

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Sizes of record values, in bytes: from one byte to 5 MiB, with the edges of varints and of 64 KiB pieces.
var Sizes = []int{1, 63, 64, 1000, 8191, 65535, 65536, 65537, 1 << 20, 5 << 20}

// MaxMessageBytes is what topics of large records are created with.
const MaxMessageBytes = "8388608"

// Broker is the address of the broker under test; a test without one is an error, not a skip.
func Broker(t testing.TB) string {
	address := os.Getenv("BROKER")
	if address == "" {
		t.Fatal("BROKER=host:port is not set")
	}
	return address
}

var topics atomic.Int64

// Topic is a name that no other test uses.
func Topic(t testing.TB) string {
	return fmt.Sprintf("go-%d-%d", time.Now().UnixNano(), topics.Add(1))
}

// NewTopic creates a topic by franz-go, for clients that cannot, and waits until each partition has a leader that answers.
func NewTopic(t testing.TB, partitions int32, config map[string]string) string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(Broker(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin, name, configs := kadm.NewClient(client), Topic(t), map[string]*string{}
	for key, value := range config {
		configs[key] = &value
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if answer, err := admin.CreateTopic(ctx, partitions, 1, configs, name); err != nil || answer.Err != nil {
		t.Fatal(err, answer.Err)
	}
	for {
		// Apache Kafka names a leader in its metadata a little before that broker knows of it.
		ends, err := admin.ListEndOffsets(ctx, name)
		if err == nil {
			err = ends.Error()
		}
		if err == nil && len(ends[name]) == int(partitions) {
			return name
		}
		if ctx.Err() != nil {
			t.Fatalf("topic %s has no leaders: %v", name, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// AwaitProducerIDs returns when the broker hands out producer ids. Apache Kafka refuses the first for a moment, which
// old clients do not look at.
func AwaitProducerIDs(t testing.TB) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(Broker(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if id, _, err := client.ProducerID(ctx); err != nil || id < 0 {
		t.Fatalf("producer id %d, %v", id, err)
	}
}

// Stored is what the broker's file says of a batch.
type Stored struct {
	Codec      string
	Idempotent bool
}

// Codecs by their numbers in a batch.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Batches reads the broker's file of a partition, whose format is Kafka's.
func Batches(t testing.TB, topic string, partition int32) []Stored {
	t.Helper()
	path := filepath.Join(os.Getenv("BROKER_DIR"), "data", fmt.Sprintf("%s-%d", topic, partition), "00000000000000000000.log")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var batches []Stored
	for len(data) >= 61 && data[16] == 2 {
		attributes, producer := binary.BigEndian.Uint16(data[21:]), int64(binary.BigEndian.Uint64(data[43:]))
		batches = append(batches, Stored{Codecs[attributes&7], producer >= 0})
		data = data[12+binary.BigEndian.Uint32(data[8:]):]
	}
	return batches
}

// CheckStored demands that a codec was used, by an idempotent producer or not. A client may leave alone what would grow.
func CheckStored(t testing.TB, topic string, codec string, idempotent bool) {
	t.Helper()
	used := false
	for _, batch := range Batches(t, topic, 0) {
		used = used || batch.Codec == codec
		if batch.Codec != codec && batch.Codec != "none" || batch.Idempotent != idempotent {
			t.Errorf("a batch is stored as %+v", batch)
		}
	}
	if !used {
		t.Errorf("no batch is stored in %s", codec)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Value is a payload of n bytes that compresses about by half and depends on seed alone.
func Value(seed int64, n int) []byte {
	value := make([]byte, n)
	random := rand.New(rand.NewSource(seed))
	for i := 0; i < n; i += 64 {
		end := min(i+32, n)
		random.Read(value[i:end])
	}
	return value
}

// Sum tells payloads apart in messages.
func Sum(value []byte) string {
	return fmt.Sprintf("%d bytes, crc %08x", len(value), crc32.Checksum(value, castagnoli))
}

// Sequence writes n into eight bytes.
func Sequence(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// Number reads what Sequence wrote.
func Number(value []byte) int { return int(binary.BigEndian.Uint64(value)) }
