# What ../python/workers.py does, with Net::HTTP::Persistent: one pool for all threads.

require 'json'
require 'net/http/persistent'

URL, WORKERS, SEED = ARGV[0], Integer(ARGV[1]), Integer(ARGV[2])
PAUSE = 0.2
GIVES_UP_AFTER = 3
WARM = 3

$stdout.sync = true
http = Net::HTTP::Persistent.new(name: 'campaign')
lock = Mutex.new
warm = 0
tally = { answered: 0, posted: 0, refused: 0, failed: [] }

def refused?(error)
  while error
    return true if error.is_a?(Errno::ECONNREFUSED) || error.message.match?(/refused/i)
    error = error.cause
  end
  false
end

threads = WORKERS.times.map do |number|
  Thread.new do
    random = Random.new(SEED * 1000 + number)
    asked = answered = in_vain = 0
    while in_vain < GIVES_UP_AFTER
      sleep(random.rand * PAUSE)
      asked += 1
      order = random.rand < 0.5
      uri = URI(URL + (order ? '/orders' : '/work?ms=5'))
      request = order ? Net::HTTP::Post.new(uri) : Net::HTTP::Get.new(uri)
      if order
        request['content-type'] = 'application/json'
        request.body = { item: "#{SEED}-#{number}-#{asked}", quantity: 1 }.to_json
      end
      begin
        status = http.request(uri, request).code
        raise "status #{status}" unless status.start_with?('2')
        in_vain = 0
        answered += 1
        lock.synchronize do
          tally[:answered] += 1
          tally[:posted] += 1 if order
          puts 'ready' if answered == WARM && (warm += 1) == WORKERS
        end
      rescue StandardError => e
        in_vain += 1
        lock.synchronize do
          refused?(e) ? tally[:refused] += 1 : tally[:failed] << "#{e.class}: #{e.message}"[0, 300]
        end
      end
    end
  end
end
threads.each(&:join)
puts tally.to_json
