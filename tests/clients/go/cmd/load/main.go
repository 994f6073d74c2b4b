// Load produces numbered records with four clients of two libraries (two idempotent producers of franz-go,
// two writers of kafka-go) in every codec, consumes them at the same time with both libraries, and checks:
// each producer's order on each partition, contiguous offsets, each record exactly once and unharmed.
//
//	load -broker HOST:PORT -mib 4096                    the load
//	load -broker HOST:PORT -crashes -acks FILE ...      until SIGTERM; the broker may die and come back
//	load -broker HOST:PORT -topic T -verify FILE        each acknowledged record lies where it was acknowledged
//	load -broker HOST:PORT -producer-ids 5              prints producer ids that the broker hands out
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const largestRecord = 64 << 10

var (
	broker     = flag.String("broker", os.Getenv("BROKER"), "address of the broker")
	topic      = flag.String("topic", fmt.Sprintf("load-%d", time.Now().UnixNano()), "topic, created if absent")
	partitions = flag.Int("partitions", 12, "partitions of the topic")
	mib        = flag.Int64("mib", 200, "MiB of values in all; 0: until SIGTERM")
	rate       = flag.Int64("rate", 0, "MiB/s of each producer; 0: as fast as it goes")
	seed       = flag.Int64("seed", time.Now().UnixNano(), "of sizes and payloads")
	config     = flag.String("config", "", "topic configuration: key=value,...")
	crashes    = flag.Bool("crashes", false, "the broker may die: kafka-go's writers, which are not idempotent, may repeat or give up records")
	ackFile    = flag.String("acks", "", "file that gets a line for each acknowledged record: partition offset producer sequence")
	idFile     = flag.String("ids", "", "file to which the idempotent producers' ids are added")
	verify     = flag.String("verify", "", "file of acknowledgements to check, instead of a load")
	idCount    = flag.Int("producer-ids", 0, "how many producer ids to ask for, instead of a load")
	stall      = flag.Duration("stall", 60*time.Second, "fail if nothing is consumed for so long")
)

func main() {
	log.SetFlags(log.Ltime)
	flag.Parse()
	switch {
	case *idCount > 0:
		printProducerIDs(*idCount)
	case *verify != "":
		verifyAcknowledged(*verify)
	default:
		load()
	}
}

func load() {
	log.Printf("seed %d, topic %s", *seed, *topic)
	createTopic()
	acks := openAcks(*ackFile)
	checker := newChecker(*partitions, *crashes)
	started := time.Now()

	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	consuming, stopConsuming := context.WithCancel(context.Background())
	consumers := startConsumers(consuming, checker)
	sent := produceAll(stopping, acks)
	log.Printf("produced %d MiB in %.1f s", sent.bytes>>20, time.Since(started).Seconds())
	if err := acks.close(); err != nil {
		log.Fatal(err)
	}

	checker.awaitEnd(endOffsets(), *stall)
	stopConsuming()
	consumers.Wait()
	complaints := checker.finish(sent)
	log.Printf("consumed %d records, %d MiB in %.1f s; repeated %d (of writers that may)",
		checker.records(), checker.bytes()>>20, time.Since(started).Seconds(), checker.repeated())
	exitWith(complaints)
}

func exitWith(complaints []string) {
	for i, complaint := range complaints {
		if i == 20 {
			log.Printf("and %d more", len(complaints)-i)
			break
		}
		log.Print("WRONG: ", complaint)
	}
	if len(complaints) > 0 {
		os.Exit(1)
	}
}
