package main

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/rand"
)

// A record's value: producer u32, sequence u64, CRC-32C of all else u32, then payload.
// The sequence counts one producer's records on one partition from 0.
const headerBytes, smallestRecord = 16, 100

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type origin struct {
	producer uint32
	sequence uint64
}

// source makes values of 100 B to 64 KiB, small ones far more often, as logs have them.
type source struct {
	random *rand.Rand
	text   []byte
}

func newSource(seed int64) *source {
	s := &source{random: rand.New(rand.NewSource(seed)), text: make([]byte, 1<<20)}
	for i := range s.text { // About four bits of information a byte: every codec has something to do.
		s.text[i] = "abcdefghijklmnop"[s.random.Intn(16)]
	}
	return s
}

func (s *source) value(o origin) []byte {
	size := int(smallestRecord * math.Pow(largestRecord/smallestRecord, s.random.Float64()*s.random.Float64()))
	if s.random.Intn(1000) == 0 {
		size = largestRecord
	}
	value := make([]byte, size)
	copy(value[headerBytes:], s.text[s.random.Intn(len(s.text)-size):])
	binary.BigEndian.PutUint32(value, o.producer)
	binary.BigEndian.PutUint64(value[4:], o.sequence)
	binary.BigEndian.PutUint32(value[12:], sum(value))
	return value
}

func sum(value []byte) uint32 {
	return crc32.Update(crc32.Checksum(value[:12], castagnoli), castagnoli, value[headerBytes:])
}

func parse(value []byte) (origin, error) {
	if len(value) < smallestRecord || binary.BigEndian.Uint32(value[12:]) != sum(value) {
		return origin{}, errors.New("its CRC does not match")
	}
	return origin{binary.BigEndian.Uint32(value), binary.BigEndian.Uint64(value[4:])}, nil
}
