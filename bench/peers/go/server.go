// sockjs-go with its defaults: /echo, /broadcast, and /close, which closes each session at once.
// `server [--disconnect-delay SECONDS]`
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/igm/sockjs-go/v3/sockjs"
)

func echo(session sockjs.Session) {
	for {
		message, err := session.Recv()
		if err != nil || session.Send(message) != nil {
			return
		}
	}
}

func closeAtOnce(session sockjs.Session) {
	session.Close(3000, "Go away!")
}

type everyone struct {
	lock    sync.Mutex
	members map[string]sockjs.Session
}

func (e *everyone) serve(session sockjs.Session) {
	e.lock.Lock()
	e.members[session.ID()] = session
	e.lock.Unlock()
	for {
		message, err := session.Recv()
		e.lock.Lock()
		if err != nil {
			delete(e.members, session.ID())
			e.lock.Unlock()
			return
		}
		for _, member := range e.members {
			member.Send(message)
		}
		e.lock.Unlock()
	}
}

func main() {
	delay := flag.Int("disconnect-delay", 5, "in seconds")
	flag.Parse()
	options := sockjs.DefaultOptions
	options.DisconnectDelay = time.Duration(*delay) * time.Second

	broadcast := everyone{members: map[string]sockjs.Session{}}
	services := map[string]func(sockjs.Session){
		"/echo":      echo,
		"/close":     closeAtOnce,
		"/broadcast": broadcast.serve,
	}
	for prefix, handler := range services {
		http.Handle(prefix+"/", sockjs.NewHandler(prefix, options, handler))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
