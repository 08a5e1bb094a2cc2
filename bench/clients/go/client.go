// What ../python/workers.py does, with Go's net/http. A fourth argument `h2` has it speak HTTP/2 with prior
// knowledge.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	pause        = 200 * time.Millisecond
	givesUpAfter = 3
	warmAt       = 3
)

var (
	lock  sync.Mutex
	warm  int
	tally = struct {
		Answered int      `json:"answered"`
		Posted   int      `json:"posted"`
		Refused  int      `json:"refused"`
		Failed   []string `json:"failed"`
	}{Failed: []string{}}
)

func main() {
	url := os.Args[1]
	workers, _ := strconv.Atoi(os.Args[2])
	seed, _ := strconv.ParseInt(os.Args[3], 10, 64)
	client := http.DefaultClient
	if len(os.Args) > 4 && os.Args[4] == "h2" {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.Protocols = protocols
		client = &http.Client{Transport: transport}
	}
	var all sync.WaitGroup
	for number := 0; number < workers; number++ {
		all.Add(1)
		go func() {
			defer all.Done()
			work(client, url, workers, seed, number)
		}()
	}
	all.Wait()
	line, _ := json.Marshal(tally)
	fmt.Println(string(line))
}

func work(client *http.Client, url string, workers int, seed int64, number int) {
	random := rand.New(rand.NewSource(seed*1000 + int64(number)))
	answered, inVain := 0, 0
	for asked := 1; inVain < givesUpAfter; asked++ {
		time.Sleep(time.Duration(random.Int63n(int64(pause))))
		order := random.Intn(2) == 0
		err := ask(client, url, order, fmt.Sprintf("%d-%d-%d", seed, number, asked))
		lock.Lock()
		switch {
		case err == nil:
			inVain = 0
			answered++
			tally.Answered++
			if order {
				tally.Posted++
			}
			if answered == warmAt {
				if warm++; warm == workers {
					fmt.Println("ready")
				}
			}
		case errors.Is(err, syscall.ECONNREFUSED):
			inVain++
			tally.Refused++
		default:
			inVain++
			tally.Failed = append(tally.Failed, err.Error())
		}
		lock.Unlock()
	}
}

func ask(client *http.Client, url string, order bool, item string) error {
	var answer *http.Response
	var err error
	if order {
		body := fmt.Sprintf(`{"item":"%s","quantity":1}`, item)
		answer, err = client.Post(url+"/orders", "application/json", strings.NewReader(body))
	} else {
		answer, err = client.Get(url + "/work?ms=5")
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err = io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}
