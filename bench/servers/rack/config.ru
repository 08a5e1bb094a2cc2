# A Rack application, for Puma and Unicorn.
class Chunks
  def each
    10.times do |number|
      sleep 0.1
      yield "chunk #{number}\n"
    end
  end
end

run lambda { |env|
  body =
    case env['PATH_INFO']
    when '/slow'
      sleep 1
      ["slow\n"]
    when '/upload'
      ["#{env['rack.input'].read.bytesize}\n"]
    when '/stream'
      Chunks.new
    else
      ["hello\n"]
    end
  [200, { 'content-type' => 'text/plain' }, body]
}
