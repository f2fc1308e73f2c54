// SPDX-License-Identifier: MIT

// The messages under net/http, over a pool of connections to the database.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	columns = "id, sender, content, stored_at"
	insert  = "INSERT INTO message (sender, content, stored_at)" +
		" VALUES (?, ?, UTC_TIMESTAMP(6)) RETURNING " + columns
	ndjson     = "application/x-ndjson"
	maxBody    = 1 << 20
	chunkBytes = 64 << 10
	// Longer than nginx keeps a connection (60 s).
	idleTimeout = 75 * time.Second
)

type message struct {
	ID      uint64
	From    string
	Content string
	Date    string
}

type service struct {
	database *sql.DB
	// By their text. What is prepared once is parsed once by each connection.
	statements sync.Map
	alive      []byte
}

func (s *service) prepared(text string) (*sql.Stmt, error) {
	if found, ok := s.statements.Load(text); ok {
		return found.(*sql.Stmt), nil
	}
	made, err := s.database.Prepare(text)
	if err != nil {
		return nil, err
	}
	found, loaded := s.statements.LoadOrStore(text, made)
	if loaded {
		_ = made.Close()
	}
	return found.(*sql.Stmt), nil
}

// query has no end but its own where ctx has none: a query that is broken off costs its
// connection, and short ones are not worth that.
func (s *service) query(ctx context.Context, text string, values []interface{}) (*sql.Rows, error) {
	statement, err := s.prepared(text)
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, values...)
}

type scanner interface {
	Scan(...interface{}) error
}

func scan(row scanner) (found message, err error) {
	err = row.Scan(&found.ID, &found.From, &found.Content, &found.Date)
	found.Date = strings.Replace(found.Date, " ", "T", 1) + "Z"
	return found, err
}

func fail(answer http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(answer, "The database does not answer.", http.StatusServiceUnavailable)
}

func answerJSON(answer http.ResponseWriter, status int, value interface{}) {
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	encoder := json.NewEncoder(answer)
	encoder.SetEscapeHTML(false)
	// Whoever asked may have gone.
	_ = encoder.Encode(value)
}

func (s *service) test(answer http.ResponseWriter, request *http.Request) {
	answer.Header().Set("Content-Type", "text/plain")
	_, _ = answer.Write(s.alive)
}

func (s *service) message(answer http.ResponseWriter, request *http.Request) {
	switch {
	case request.Method == http.MethodPost:
		s.post(answer, request)
	case request.Method != http.MethodGet:
		http.Error(answer, "Use GET or POST.", http.StatusMethodNotAllowed)
	case strings.Contains(request.Header.Get("Accept"), ndjson):
		s.stream(answer, request)
	default:
		s.list(answer, request)
	}
}

func (s *service) post(answer http.ResponseWriter, request *http.Request) {
	var sent struct{ From, Content string }
	body := http.MaxBytesReader(answer, request.Body, maxBody)
	if err := json.NewDecoder(body).Decode(&sent); err != nil {
		http.Error(answer, "The body must be a JSON object of strings.", http.StatusBadRequest)
		return
	}
	if sent.From == "" || sent.Content == "" {
		http.Error(answer, "From and Content must not be empty.", http.StatusBadRequest)
		return
	}
	statement, err := s.prepared(insert)
	if err != nil {
		fail(answer, err)
		return
	}
	stored, err := scan(statement.QueryRow(sent.From, sent.Content))
	if err != nil {
		fail(answer, err)
		return
	}
	answerJSON(answer, http.StatusCreated, stored)
}

// selection returns the query for the parameters of a request, and its values.
func selection(request *http.Request) (string, []interface{}, error) {
	var text strings.Builder
	var values []interface{}
	parameters := request.URL.Query()
	text.WriteString("SELECT " + columns + " FROM message WHERE TRUE")
	if parameters.Has("From") {
		text.WriteString(" AND sender = ?")
		values = append(values, parameters.Get("From"))
	}
	for _, number := range []struct{ name, condition string }{
		{"ID", " AND id = ?"}, {"after", " AND id > ?"}, {"before", " AND id < ?"},
	} {
		if parameters.Has(number.name) {
			value, err := strconv.ParseUint(parameters.Get(number.name), 10, 64)
			if err != nil {
				return "", nil, err
			}
			text.WriteString(number.condition)
			values = append(values, value)
		}
	}
	text.WriteString(" ORDER BY id")
	return text.String(), values, nil
}

func (s *service) list(answer http.ResponseWriter, request *http.Request) {
	text, values, err := selection(request)
	limit := 100
	if given := request.URL.Query().Get("limit"); err == nil && given != "" {
		limit, err = strconv.Atoi(given)
	}
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	rows, err := s.query(context.Background(), text+" LIMIT ?", append(values, limit))
	if err != nil {
		fail(answer, err)
		return
	}
	defer rows.Close()
	found := []message{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			fail(answer, err)
			return
		}
		found = append(found, one)
	}
	if err := rows.Err(); err != nil {
		fail(answer, err)
		return
	}
	answerJSON(answer, http.StatusOK, found)
}

// stream writes each row as the database sends it.
func (s *service) stream(answer http.ResponseWriter, request *http.Request) {
	text, values, err := selection(request)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	rows, err := s.query(request.Context(), text, values)
	if err != nil {
		fail(answer, err)
		return
	}
	defer rows.Close()
	answer.Header().Set("Content-Type", ndjson)
	writer := bufio.NewWriterSize(answer, chunkBytes)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for rows.Next() {
		one, err := scan(rows)
		if err == nil {
			err = encoder.Encode(one)
		}
		if err != nil {
			log.Print(err)
			panic(http.ErrAbortHandler)
		}
	}
	if err := rows.Err(); err != nil {
		log.Print(err)
		// A listing that is cut off must not look whole.
		panic(http.ErrAbortHandler)
	}
	_ = writer.Flush()
}

func openDatabase() (*sql.DB, error) {
	connections, err := strconv.Atoi(os.Getenv("PEER_DB_CONNECTIONS"))
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.Net = "unix"
	config.Addr = os.Getenv("PEER_DB_SOCKET")
	config.User = "buzon"
	config.Passwd = os.Getenv("PEER_DB_PASSWORD")
	config.DBName = "buzon"
	config.Collation = "utf8mb4_bin"
	database, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		return nil, err
	}
	database.SetMaxOpenConns(connections)
	database.SetMaxIdleConns(connections)
	return database, database.Ping()
}

func main() {
	database, err := openDatabase()
	if err != nil {
		log.Fatal(err)
	}
	hostname, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", os.Getenv("PEER_SOCKET"))
	if err != nil {
		log.Fatal(err)
	}
	s := &service{database: database, alive: []byte("ALIVE " + hostname + "\n")}
	routes := http.NewServeMux()
	routes.HandleFunc("/api/test", s.test)
	routes.HandleFunc("/api/message", s.message)
	server := &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       idleTimeout,
	}
	log.Fatal(server.Serve(listener))
}
