// Go's net/http, stopped as https://pkg.go.dev/net/http#example-Server.Shutdown has it.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		fmt.Fprintln(w, "slow")
	})
	http.HandleFunc("/upload", func(w http.ResponseWriter, r *http.Request) {
		bytes, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, bytes)
	})
	http.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for number := 0; number < 10; number++ {
			time.Sleep(100 * time.Millisecond)
			fmt.Fprintln(w, "chunk", number)
			w.(http.Flusher).Flush()
		}
	})

	srv := http.Server{Addr: "127.0.0.1:" + os.Args[1]}

	idleConnsClosed := make(chan struct{})
	go func() {
		sigint := make(chan os.Signal, 1)
		signal.Notify(sigint, os.Interrupt, syscall.SIGTERM)
		<-sigint

		if err := srv.Shutdown(context.Background()); err != nil {
			log.Printf("HTTP server Shutdown: %v", err)
		}
		close(idleConnsClosed)
	}()

	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatalf("HTTP server ListenAndServe: %v", err)
	}

	<-idleConnsClosed
}
