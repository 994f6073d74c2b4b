// Package harness holds what the client tests share: the broker's address, topic names, record payloads.
package harness

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"sync/atomic"
	"testing"
	"time"
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
