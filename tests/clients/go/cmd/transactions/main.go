// Transactions writes transactions, every other one aborted, two producers by turns, and prints how many
// records are committed:
//
//	transactions -broker HOST:PORT -topic T -count 20     prints: 30
//
// The values say what became of them: "committed 3", "aborted 4".
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	broker = flag.String("broker", "", "address of the broker")
	topic  = flag.String("topic", "", "topic")
	count  = flag.Int("count", 20, "transactions")
)

// recordsEach is how many records a transaction has.
const recordsEach = 3

func main() {
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var producers [2]*kgo.Client
	for at := range producers {
		client, err := kgo.NewClient(kgo.SeedBrokers(*broker), kgo.DefaultProduceTopic(*topic),
			kgo.TransactionalID(fmt.Sprintf("%s-%d", *topic, at)), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		must(err)
		defer client.Close()
		producers[at] = client
	}
	committed := 0
	// The next transaction begins before the last one ends: they lie interleaved in the log.
	fate := begin(ctx, producers[0], 0)
	for at := range *count {
		client := producers[at%2]
		next := ""
		if at+1 < *count {
			next = begin(ctx, producers[(at+1)%2], at+1)
		}
		produce(ctx, client, fate)
		end := kgo.TryAbort
		if strings.HasPrefix(fate, "committed") {
			end = kgo.TryCommit
			committed += recordsEach
		}
		must(client.EndTransaction(ctx, end))
		fate = next
	}
	fmt.Println(committed)
}

// begin begins a transaction and writes the first of its records; the value is what will become of it.
func begin(ctx context.Context, client *kgo.Client, number int) string {
	fate := fmt.Sprintf("committed %d", number)
	if number%2 == 1 {
		fate = fmt.Sprintf("aborted %d", number)
	}
	must(client.BeginTransaction())
	must(client.ProduceSync(ctx, kgo.StringRecord(fate)).FirstErr())
	return fate
}

func produce(ctx context.Context, client *kgo.Client, value string) {
	for range recordsEach - 1 {
		must(client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr())
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
